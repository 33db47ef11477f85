"""The command line.

Modules, lowest first:

- `wording`: how the command line spells things: whole numbers, names of columns, options in messages, and what a status
  says.
- `output`: what commands print, and small text files.
- `short_json`: what --json prints: the numbers and verdicts that a script asks for; with --full all that the summary in
  DIR has.
- `earlier_runs`: what an earlier run left in an output folder, by that run's own word: the files its summary lists, and no
  others.
- `folder`: the folder that --out names: one run in it, whole, and the one before until then.
- `arguments`: what the commands share: the data on the command line.
- `certificates`: the commands `fastminima prove` and `fastminima check`: certificates, made and checked.
- `stages`: what a command is at: its stages, timed, and shown on a terminal.
- `network_options`: options of commands that build networks: widths, activation, scales and loss.
- `construct_deep`: `fastminima construct` for several hidden layers, several targets, other activations and other losses.
- `construct`: the construct command: a spurious minimum, a better point, and everything that goes with them.
- `counterexample`: the command `fastminima counterexample`: theorem 2's example for any activation.
- `decide`: the commands `fastminima decide` and `fastminima polish`: is this network at a local minimum, and which one is
  near?
- `bracket`: the command `fastminima bracket`: between which bounds lies the least risk of all networks of a width?
- `linear`: the command `fastminima linear`: is this deep linear network at a minimum or at a saddle, and where is the
  way out?
- `probe`: the command `fastminima probe`: does any of a million nearby points have a lower risk?
- `report`: the command `fastminima report`: theorem 1 on a table as one page of HTML.
- `scan`: the command `fastminima scan`: one line for each of many datasets, or for one that is larger than memory.
- `atlas`: the command `fastminima atlas`: theorem 1 and the brackets of the least risk, over the tables of installed
  packages.
- `completion`: the command `fastminima completion`: what a shell needs to complete commands, options and files.
- `main`: the command `fastminima`.
"""
