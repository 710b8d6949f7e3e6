"""The calculation on a cluster: Spark moves and groups, the kernel of decide/ computes.

`decide.py` is what the driver does, for a folder of facts and for a run; `tasks.py` what its
workers do; `run.py` the calculation that a run takes in the place of `kernel.decide`; `session.py`
Spark as the machine has it. Only this package knows PySpark.
"""
