"""What can be seen to be wrong with a driver before it runs, so that no order has to find it out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from envs.errors import UserError

if TYPE_CHECKING:
    from instruments.device import Device


def check_function(name: str, function: Callable[..., Any], rules: Iterable[str], *, method: bool = False) -> None:
    """Check that a command's function can be called as ``function(job, **parameters)``.

    Args:
        name: of the command.
        function: carries it out.
        rules: the names of its parameters.
        method: whether it is not bound yet and takes ``self`` first.

    Raises:
        ValueError: when it takes no job, a parameter without a rule, or not one that has a rule.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of something built in, or a descriptor: only a call can tell
        return
    names = list(rules)
    lead = ["self", "job"] if method else ["job"]
    try:
        signature.bind(*lead, **dict.fromkeys(names))
    except TypeError:
        raise ValueError(_why_not(name, signature, names, lead)) from None


def _why_not(name: str, signature: inspect.Signature, rules: list[str], lead: list[str]) -> str:
    takes = list(signature.parameters.values())
    places = [p for p in takes if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    if not any(p.kind == p.VAR_POSITIONAL for p in takes):
        first = [p.name for p in places[: len(lead)]]
        if len(first) < len(lead) or first[-1] in rules:
            return f"command {name}: its function takes no job: write def {name}({', '.join(lead)}, *, ...)"
    rest = [p for p in takes if p not in places[: len(lead)] and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    if bare := [p.name for p in rest if p.default is p.empty and p.name not in rules]:
        return (
            f"command {name}: {', '.join(bare)} has no rule, so nothing can be ordered: annotate it, as in "
            f'{bare[0]}: Annotated[float, Parameter("Cel", 20, 300)], or name it in parameters='
        )
    lost = [rule for rule in rules if rule not in {p.name for p in rest}]
    return f"command {name}: its function does not take {', '.join(lost)}, for which there is a rule"


def check_device(device: Device) -> None:
    """Check what a driver declares about itself, before it is started.

    Raises:
        UserError: names the attribute.
    """
    try:
        device.describe()
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if fault["loc"][:1] != ("boot_id",):  # which comes with the start
                where = ".".join(map(str, fault["loc"]))
                why = fault["msg"][:1].lower() + fault["msg"][1:]
                raise UserError(f"{device.iid}: its driver declares {where} = {fault['input']!r}: {why}") from error
    for name, channel in device.channels.items():
        if channel.read is not None and not callable(getattr(device, channel.read, None)):
            raise UserError(f"{device.iid}: channel {name} is read by {channel.read}(), which the driver has not")
