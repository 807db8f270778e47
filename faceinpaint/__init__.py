"""faceinpaint: fills holes in face photographs."""
