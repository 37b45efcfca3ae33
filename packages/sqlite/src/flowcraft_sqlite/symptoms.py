"""What can be wrong with an SQLite file, and what to do about it."""

from __future__ import annotations

from flowcraft_core.diagnosis import Symptom

FOLDER_MISSING = Symptom(
    code="SQLITE-FOLDER-MISSING",
    part="file",
    severity="error",
    problem="the folder {folder!r} of SQLite file {path!r} does not exist",
    remedy="create the folder, or mend the path; a relative one begins at the program's working directory",
)
FOLDER_READ_ONLY = Symptom(
    code="SQLITE-FOLDER-READ-ONLY",
    part="file",
    severity="error",
    problem="files cannot be made in the folder {folder!r} of SQLite file {path!r} by the user {user}",
    remedy="give this user the right to write to the folder, not only to the file: SQLite keeps -wal and -shm beside "
    "it",
)
FILE_MISSING = Symptom(
    code="SQLITE-FILE-MISSING",
    part="file",
    severity="warning",
    problem="there is no SQLite file {path!r}",
    remedy="nothing, if no program has used it yet: the first one creates it. If there are to be runs in it, mend the "
    "path; a relative one begins at the program's working directory",
)
LOG_ORPHANED = Symptom(
    code="SQLITE-LOG-ORPHANED",
    part="file",
    severity="error",
    problem="there is no SQLite file {path!r}, and its log {log!r} is there, with what was written last",
    remedy="put the file back beside its log, under the name that it had; only if nothing of it is wanted, remove the "
    "log. A file and its log are moved together, and only while nobody has them open",
)
FILE_READ_ONLY = Symptom(
    code="SQLITE-FILE-READ-ONLY",
    part="file",
    severity="error",
    problem="the file {file!r} cannot be read and written by the user {user}",
    remedy="give the file to the user under whom workers and clients run (chown), with its -wal and -shm; they may "
    "have been made by a program that ran as another user, such as root",
)
FILE_OPEN_TO_ALL = Symptom(
    code="SQLITE-FILE-OPEN-TO-ALL",
    part="file",
    severity="warning",
    problem="every user of this machine can write to the file {file!r} (mode {mode:o})",
    remedy="take that right away (chmod o-w): who can write to it can have any registered step called",
)
HARD_LINKS = Symptom(
    code="SQLITE-HARD-LINKS",
    part="file",
    severity="error",
    problem="SQLite file {path!r} has {links} hard links, and so {links} names",
    remedy="remove the other names: who opens the file by another one does not find the -wal beside it, and damages it",
)
NOT_A_DATABASE = Symptom(
    code="SQLITE-NOT-A-DATABASE",
    part="file",
    severity="error",
    problem="{path!r} is no SQLite database: {why}",
    remedy="give another path, or restore the file from a backup",
)
REPLACED = Symptom(
    code="SQLITE-FILE-REPLACED",
    part="file",
    severity="error",
    problem="{why}",
    remedy="stop whatever uses it, put the right file there, and start again",
)
NETWORK_DISK = Symptom(
    code="SQLITE-NETWORK-DISK",
    part="disk",
    severity="error",
    problem="SQLite file {path!r} is on a file system of the network ({kind})",
    remedy="put it on a disk of this machine: locks and the shared memory of the write-ahead log do not work across "
    "the network, and the file gets damaged. For several machines take another backend",
)
DISK_FULL = Symptom(
    code="SQLITE-DISK-FULL",
    part="disk",
    severity="error",
    problem="the disk of SQLite file {path!r} is full: {free} KiB are left, of {total} MiB",
    remedy="make room: no run can be started, and those that are there stand still until something can be written",
)
DISK_LOW = Symptom(
    code="SQLITE-DISK-LOW",
    part="disk",
    severity="warning",
    problem="the disk of SQLite file {path!r} has {free} MiB left, of {total} MiB",
    remedy="make room, or purge old runs: once it is full nothing can be written, and every run stands still",
)
FOREIGN = Symptom(
    code="SQLITE-FOREIGN",
    part="schema",
    severity="error",
    problem="SQLite file {path!r} belongs to another program",
    remedy="give Flowcraft a file of its own",
)
SCHEMA_NEWER = Symptom(
    code="SQLITE-SCHEMA-NEWER",
    part="schema",
    severity="error",
    problem="SQLite file {path!r} has schema version {version}, and this flowcraft-sqlite knows {known} at most",
    remedy="upgrade flowcraft-sqlite",
)
SCHEMA_WRONG = Symptom(
    code="SQLITE-SCHEMA-WRONG",
    part="schema",
    severity="error",
    problem="SQLite file {path!r} has schema version {version}, but not what belongs to it: {what}",
    remedy="restore the file from a backup; somebody has changed its tables",
)
JOURNAL_MODE = Symptom(
    code="SQLITE-JOURNAL-MODE",
    part="journal",
    severity="warning",
    problem="SQLite file {path!r} has the journal mode {mode!r}, and not a write-ahead log",
    remedy="find what has changed it, such as a tool for backups; the next worker or client changes it back, if it can",
)
DAMAGED = Symptom(
    code="SQLITE-DAMAGED",
    part="file",
    severity="error",
    problem="SQLite file {path!r} is damaged: {why}",
    remedy="stop whatever uses it and restore a backup; what can be read still, `sqlite3 FILE .recover` gives",
)
BUSY = Symptom(
    code="SQLITE-BUSY",
    part="lock",
    severity="error",
    problem="the write lock of SQLite file {path!r} was not free for {seconds:g} s{holder}",
    remedy="find what holds it, such as a shell with an open transaction, and end it",
)
OLD_LIBRARY = Symptom(
    code="SQLITE-LIBRARY-OLD",
    part="versions",
    severity="error",
    problem="this Python has SQLite {version}, and flowcraft-sqlite needs {least}",
    remedy="use a Python that comes with a newer one, or upgrade the system's libsqlite3",
)
UNUSABLE = Symptom(
    code="SQLITE-UNUSABLE",
    part="file",
    severity="error",
    problem="SQLite file {path!r} cannot be used: {why}",
    remedy="do what the message says",
)

#: All of them.
SYMPTOMS = (
    FOLDER_MISSING,
    FOLDER_READ_ONLY,
    FILE_MISSING,
    LOG_ORPHANED,
    FILE_READ_ONLY,
    FILE_OPEN_TO_ALL,
    HARD_LINKS,
    NOT_A_DATABASE,
    REPLACED,
    NETWORK_DISK,
    DISK_FULL,
    DISK_LOW,
    FOREIGN,
    SCHEMA_NEWER,
    SCHEMA_WRONG,
    JOURNAL_MODE,
    DAMAGED,
    BUSY,
    OLD_LIBRARY,
    UNUSABLE,
)
