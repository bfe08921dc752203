"""De-identification of objects (PS3.15 Annex E): the table, its options, and what they do to data sets and pixels.

table         Table E.1-1 and Table E.3.4-1 as data           options      what may be asked for, and its codes
pseudonyms    values that stand for others, under a secret    words        identifiers, and words that are none
values        dummies, and dates that are moved               codes        coded entries
attributes    one data set, at every depth                    content      structured content, graphics
regions       which pixels of which device hold text          frames       blanks them, and prepares the search
glyphs        finds rows of letters in pixels                 targets      in which form pixels are written anew
placement     slices that make a volume         coarse       that volume, and what is solid in it
faces         where a face is                   shell        what is removed of it
objects       all of it for one object
"""
