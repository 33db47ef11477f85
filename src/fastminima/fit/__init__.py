"""The best affine function of the data, and what rounding did to it.

Modules, lowest first:

- `centred_data`: the data in a centred, power-of-two scaled frame, read block by block.
- `running_sums`: what the linear fit sums over the data: small states with `update(block)` and `merge(other)`.
- `bounds`: what is proved about one pass over the data: the rounding of its sums, and the conditioning of the Gram
  matrix.
- `envelope`: the samples nearest to a boundary, kept while rows stream past.
- `samples`: what a fit can say of its samples one by one, wherever they are.
- `refinement`: the same steps of refinement for data in memory and for data that stream past.
- `least_squares`: the linear fit every theorem leans on, with what is proved about it.
- `kinks`: the best single kink: one more unit along any direction, all linear coefficients refitted.
- `scaled_rows`: the rows that a search for small networks works on, and the way back to the data's units.
- `jumps`: where a start may begin with two units: a jump between two affine functions.
- `chain`: one start of that search: random or greedy, a descent, then units taken out and put back elsewhere.
"""
