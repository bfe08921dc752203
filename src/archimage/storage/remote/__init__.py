"""Objects in an object store, by obstore: S3, Azure Blob Storage, Google Cloud Storage."""
