"""Snapshots of MuJoCo worlds.

The integration state (time, qpos, qvel, act, ctrl, qacc_warmstart, applied forces, mocap) is enough for the physics,
but not for Gymnasium's worlds: their rewards and observations read quantities (`xpos`, `cfrc_ext`, `cinert`) that were
derived one step earlier and differ from what a forward pass would derive now. So the whole `MjData` is kept.
"""

from __future__ import annotations

import copy

from guerdon.worlds.snapshot import Token, _Adapter, layer_states, put_layer_states


class MujocoSnapshot(_Adapter):
    """The whole `MjData`, the environment's random generator, and the counters of all layers."""

    way = "mujoco"

    def save(self) -> Token:
        """A copy of the data, and copies of the rest."""
        env = self.world.env
        return copy.copy(env.unwrapped.data), layer_states(env), self._book()

    def restore(self, token: Token) -> None:
        """Copy the data back in place, so that views of it stay valid."""
        import mujoco

        inner = self.world.env.unwrapped
        mujoco.mj_copyData(inner.data, inner.model, token[0])
        put_layer_states(self.world.env, token[1])
        self._note(token[2])
