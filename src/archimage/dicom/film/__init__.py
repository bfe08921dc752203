"""Films: where their boxes lie, what is in them, and the pictures that they become.

`geometry` has sizes and layouts, `description` what a film is to show, `received` what an image box brings. Worker
processes do the rest (`work`): `grey` goes from stored values to shades by the film's densities, `placing` brings an
image into its box, `painting` makes the film, `pdf` and `objects` put films into documents and DICOM objects.

Ref: PS3.3 §C.13, PS3.4 Annex H, PS3.14.
"""
