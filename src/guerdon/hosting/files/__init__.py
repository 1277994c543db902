"""Files that strangers hand in, read without trusting them: archives, tables, JSON, arrays, pictures.

Every reader has caps, opens nothing that can run, and refuses with the place of the mistake: entry, line and field.
"""

from guerdon.hosting.files.archives import Archive, ArchiveCaps, check_names, safe_name
from guerdon.hosting.files.arrays import ArrayCaps, read_npy, read_safetensors, refuse_pickle
from guerdon.hosting.files.documents import JsonCaps, read_json, read_json_lines
from guerdon.hosting.files.images import ImageCaps, safe_image
from guerdon.hosting.files.problems import FileProblemError, FileTooLargeError
from guerdon.hosting.files.tables import Table, TableCaps, read_table, write_table
from guerdon.hosting.files.tars import read_tar
from guerdon.hosting.files.uploads import Intake, shown_name
from guerdon.hosting.files.zips import read_zip

__all__ = [
    "Archive", "ArchiveCaps", "ArrayCaps", "FileProblemError", "FileTooLargeError", "ImageCaps", "Intake", "JsonCaps",
    "Table", "TableCaps", "check_names", "read_json", "read_json_lines", "read_npy", "read_safetensors",
    "read_table", "read_tar", "read_zip", "refuse_pickle", "safe_image", "safe_name", "shown_name",     "write_table",
]  # fmt: skip
