"""The service and the review page, on Ray Serve: needs the extra ``faceinpaint[serve]``."""
