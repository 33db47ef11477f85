"""Certificates for strangers: statements that can be checked without this library.

Modules, lowest first:

- `check`: checks a certificate of fastminima against data. This file needs nothing but Python's standard library.
- `certificate`: certificates: claims as data, in a file that a stranger checks with `check.py` and the standard
  library.
- `claims`: what a certificate of each theorem says, from the result that it certifies.
- `labels`: certificates about classes: which of them take labels, and data whose labels are the certificate's.
- `prove`: `prove` and `check`: from results to certificates, and back to the data.
"""
