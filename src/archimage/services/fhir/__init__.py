"""What the archive keeps, as resources of FHIR R4B, and who is told of it.

Resources are plain JSON objects that are made here; the tests validate every one with `fhir.resources`, and where it
comes in that validates what clients send. Ref: https://hl7.org/fhir/R4B/.
"""
