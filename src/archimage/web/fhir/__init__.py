"""FHIR R4B over HTTP: resources of `services.fhir` read, searched for and sent, under `/fhir`."""
