"""`cotally coordinator`."""

from cotally.server.coordinator.main import run_command
from cotally.server.ops import revoke_member
from cotally.v1.commands import Group

command = Group("coordinator", "run the bulletin board that a federation meets at",
                [run_command, revoke_member.command])
