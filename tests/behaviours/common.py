"""What behaviours share."""

from harness import credentials
from harness.steps import FAST

NOTES = {"filter": {"event_types": ["note"]}}


async def connect(agent, url, user="user_123", **options):
    """Connects as an administrator that comes back fast."""
    return await agent.do("connect", **{"url": url, "tokens": [credentials.token(user)], "reconnect": FAST, **options})
