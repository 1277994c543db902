"""The claims of this system: strength of preferences, contrastive terms, MetaRM.

Bounds are the publication's and the prototype's; settings that were looked at were looked at on seeds 101 to 103.
"""

from guerdon.bench.experiment import Experiment
from guerdon.systems.secrets_rm.contrast import ContrastiveTerms
from guerdon.systems.secrets_rm.metarm import MetaRewardModel
from guerdon.systems.secrets_rm.strength import StrengthOfPreferences

EXPERIMENTS: tuple[Experiment, ...] = (StrengthOfPreferences(), ContrastiveTerms(), MetaRewardModel())
