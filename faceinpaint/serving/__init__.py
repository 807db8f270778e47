"""The service and the review page, on Ray Serve: needs the extra ``faceinpaint[serve]``."""

TOKEN = "FACEINPAINT_TOKEN"  # of the environment: what clients and reviewers must say
