"""The forest of referrals: dated edges, each from an affiliate to the one who referred him.

At any instant everybody has at most one referrer and nobody is above himself. Edges are only
added: a move is a later edge of the same affiliate, and the earlier one ends where it begins.

`judge` keeps it so: it says which imported edges are accepted, and why a move cannot be. It asks
`cycles`, which finds every loop of a million edges in seconds, in arrays. `show` draws what is
there, for people and for other programs; networkx is at home there, where graphs are small.
"""
