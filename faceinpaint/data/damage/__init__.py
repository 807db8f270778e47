"""Damage drawn onto real pictures, with its truth: what the detector learns from and is measured on.

``draw`` holds lines and fields; ``kinds`` a function per kind of damage; ``film`` the shapes of a Parquet file;
``lookalikes`` what looks like damage and is not; ``looks`` age and scan a picture; ``paint`` puts them together.
"""
