"""The claims of this system: ensembles against over-optimisation, by best-of-n and by PPO.

What was chosen by looking (learning rate, iterations and the small beta of PPO) was chosen on seeds 101 to 103; the
bounds are the publication's and the prototype's.
"""

from guerdon.bench.experiment import Experiment
from guerdon.systems.rm_ensembles.bon import BestOfN
from guerdon.systems.rm_ensembles.ppo import Ppo

EXPERIMENTS: tuple[Experiment, ...] = (BestOfN(), Ppo())
