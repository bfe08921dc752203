"""The job engine: DBOS, which is imported when there is work, and nowhere else."""
