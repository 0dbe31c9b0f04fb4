"""`cotally keyholder`."""

from cotally.server.keyholder.main import run_command
from cotally.v1.commands import Group

command = Group("keyholder", "run one holder of a key share", [run_command])
