"""The machine around the mathematics: files, memory, threads, options. It knows no mathematics.

Modules, lowest first:

- `first_use`: first uses that a fork may interrupt: imports that a fork waits for, values computed once without a lock.
- `plain_text`: text from outside as text that a terminal only shows.
- `files`: files that appear whole or not at all, temporary ones that may not fit, and archives of arrays.
- `memory`: memory is estimated before it is taken.
- `notices`: warnings that point at the line of the caller's program.
- `options`: what a caller may pass: counts, widths, radii, choices, sizes, workers.
- `packages`: optional packages: imported where they are used, named with their extra when they are absent.
- `plain_json`: results as JSON that every reader takes.
- `progress`: a progress bar on a terminal or in a notebook, or a function of the caller's; nothing anywhere else.
- `results`: what every result can do: a table, plain data, a file, and a comparison.
- `threads`: threads: how many are meant by `workers`, and BLAS held to one while the library's own loops run.
"""
