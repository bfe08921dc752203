"""The services of the department, wired: what is done beside storing, finding and giving objects. A module a part."""
