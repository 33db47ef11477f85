"""Write the table of docs/counterexamples.md anew: `python docs/counterexamples.py`."""

from pathlib import Path

from fastminima.reporting.example_table import example_table

PAGE = Path(__file__).with_name("counterexamples.md")
START, END = "<!-- table -->\n", "<!-- end of table -->"

if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(START)
    PAGE.write_text(f"{head}{START}\n{example_table()}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
