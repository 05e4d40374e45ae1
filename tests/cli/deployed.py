"""A deployed stack for commands to find: moto's CloudFormation with the outputs, and the small Athena at home for Athena and Glue."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import urllib3
from moto.server import ThreadedMotoServer

from local.athena.hosting import HostedAthena, host_athena

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKGROUP = "t-pipeline"
DATABASE = "ticks"


@contextmanager
def deployed(
    lake: Path, *, prefix: str = "t", first_hour: str = "", **options: Any
) -> Iterator[tuple[HostedAthena, dict[str, str]]]:
    """The stack, as the variables of an environment that reaches it. Shapes: `options` are AthenaServer's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with host_athena(lake, workgroup=WORKGROUP, database=DATABASE, **options) as hosted:
            outputs = {"WorkgroupName": {"Value": WORKGROUP}, "DatabaseName": {"Value": DATABASE}}
            parameters = {"LakeFirstHour": {"Type": "String", "Default": first_hour}}
            resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
            template = {"Parameters": parameters, "Resources": resources, "Outputs": outputs}
            client = boto3.Session("a", "b", region_name="us-east-1").client(
                "cloudformation", endpoint_url=f"http://{host}:{port}"
            )
            client.create_stack(StackName=f"{prefix}-pipeline", TemplateBody=json.dumps(template))
            yield (
                hosted,
                {
                    "AWS_ENDPOINT_URL": f"http://{host}:{port}",
                    "AWS_ENDPOINT_URL_ATHENA": hosted.url,
                    "AWS_ENDPOINT_URL_GLUE": hosted.url,
                    "AWS_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "a",
                    "AWS_SECRET_ACCESS_KEY": "b",
                },
            )
    finally:
        with urllib3.PoolManager() as pool:  # moto's stacks are the process's: other tests count them
            pool.request("POST", f"http://{host}:{port}/moto-api/reset")
        server.stop()
