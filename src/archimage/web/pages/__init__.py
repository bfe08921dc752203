"""The pages that people look at: studies, a viewer, uploading, nodes, what goes on; see docs/pages.md."""
