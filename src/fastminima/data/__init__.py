"""Numbers from anywhere: arrays, frames and files become a `Dataset` that nothing downstream validates again.

Modules, lowest first:

- `columns`: which columns of a file are inputs, targets and weights; and what to say when one is not there.
- `arrow_schema`: what an Arrow schema says beside the types of its columns: which are an index, and which are categories.
- `file_kind`: what a file is, by its suffix and by its first bytes.
- `frames`: frames, series and tables taken apart into named columns: pandas, polars, pyarrow.
- `tensors`: tensors that track gradients, such as the parameters of torch modules, as arrays.
- `coerce`: coercion: the only place where foreign arrays, frames and lists become float64, and say when they do not.
- `cleaning`: which columns and rows are numbers: missing values and categories, by one set of rules for all who read.
- `exact_columns`: data as exact rationals: a column is Python integers times one positive fraction.
- `text_form`: how a text file is laid out: its separator, its decimal mark, whether its first line is names or data.
- `csv_text`: text to exact columns, chunk by chunk through pandas.
- `excel`: the first sheet of an Excel file.
- `rows`: where the numbers of a dataset are.
- `class_labels`: labels as class numbers 0, 1, ..., in the order of the labels.
- `weights`: sample weights: which rows they keep, and what is no set of weights.
- `feature_order`: columns by name: in what order a network's inputs stand in these data, where both sides have names.
- `dataset`: dataset: frozen samples, one target or several, and weights, with the exact columns beside the float64 view.
- `given`: what functions that take data are given: a Dataset, a pair (X, y), or (X, y, weights).
- `demos`: named datasets for first steps: the diabetes table, which lies beside it, and parity functions.
- `read`: files to datasets: text (also compressed), Excel, npy, npz, Parquet.
- `sources`: rows in blocks, as often as they are asked for, from data larger than memory.
"""
