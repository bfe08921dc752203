"""OHIF, the full viewer: fetched by name and version, adapted to its place under `/ohif/`, and served from one file.

It is under the MIT licence and no part of this repository; `archimage viewer install` fetches it.
"""
