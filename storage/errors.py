"""What can go wrong with a database, whichever it is."""


class DatabaseError(Exception):
    """The database cannot be opened; the text is one line that names it and the mend."""


class Damaged(DatabaseError):
    """The database is there and is no sound one of ours: a backup would mend it."""


class Unavailable(Exception):
    """The database cannot take or give anything now; the text says why, and names no path."""
