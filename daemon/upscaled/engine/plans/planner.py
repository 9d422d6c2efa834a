"""Which plan fits a network."""

from upscaled.engine.device import Device
from upscaled.engine.network import Network
from upscaled.engine.plans.esrgan import esrgan_plan
from upscaled.engine.plans.plan import Exactness, Plan
from upscaled.engine.plans.receptive_field import NotLocal
from upscaled.engine.plans.whole_network import compact_plan, span_plan

_EXACT = {"ESRGAN": esrgan_plan, "Compact": compact_plan, "SPAN": span_plan}


def plan_for(network: Network, device: Device) -> Plan:
    """Cuts it up as far as its architecture is known. SPAN is fused in place."""
    planner = _EXACT.get(network.architecture)
    if planner is not None:
        try:
            return planner(network.module, network.scale, device)
        except NotLocal:
            pass  # a variant with layers that none of the plans expects
    network.module.to(device.where, device.dtype)
    return Plan((), Exactness.FEATHERED, scale=network.scale)
