"""The audit trail: messages as XML, the journal that keeps them, its signatures, and its way to a repository."""
