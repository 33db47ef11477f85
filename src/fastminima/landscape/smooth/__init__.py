"""Smooth activations, and weight decay: critical points in balls, each with the ball in which it is the only one.

The piecewise linear face is decided in rational numbers; here parameters of minima are no rational numbers, and balls
(python-flint, the extra `proof`) enclose them.

Modules, lowest first:

- `vector`: all parameters of a network as one vector, and back.
- `samples`: exact samples, equal inputs merged, as rationals, balls and floats.
- `ball_risk`: the risk in balls, with its gradient and its Hessian, at a point or over a ball.
- `float_risk`: the same in float64, for walking; nothing is claimed from it.
- `curvature`: how much the risk bends upward, at least, in a ball.
- `minimum`: a minimum that is known to lie in a ball: what is claimed, and why it is true.
- `certify`: from a point near a minimum to that ball: Newton in balls, then the largest radius that can be proved.
- `zero_risk`: more parameters than samples: a point nearby at which no function has a lower risk.
- `fold`: units that add nothing or equal others: a narrower network with the same outputs.
- `walk`: down in float64, past saddles.
- `escape`: the way out of a point that is no local minimum, its risk proved lower in balls.
- `exact_point`: residuals and gradient in rational numbers, where every activation is rational.
- `problem`: what a question is about, checked.
- `excess`: the difference of two risks in balls: its sign, or its value to all digits of a float64.
- `decision`: `decide` for smooth activations, and for any with weight decay.
- `polish`: `polish` for smooth activations, and for any with weight decay.
"""
