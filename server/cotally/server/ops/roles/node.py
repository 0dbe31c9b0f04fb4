"""`cotally node`."""

from cotally.server.node.main import run_command
from cotally.server.ops import grants, harvest, node_check, recover, revoke, sent, vintage
from cotally.v1.commands import Group

command = Group("node", "run a department's node, and say what it allows",
                [run_command, harvest.command, node_check.command, vintage.command, grants.command,
                 revoke.command, sent.command, recover.command])
