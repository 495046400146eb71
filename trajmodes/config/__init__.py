"""Settings of a run.

In: names and values from the command line or a TOML file. Out: a checked, frozen `Job`.
"""

from trajmodes.config.job import Job, job_from_mapping, read_job, toml_text

__all__ = ["Job", "job_from_mapping", "read_job", "toml_text"]
