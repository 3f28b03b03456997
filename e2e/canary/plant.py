"""Plants secrets in moto: reads a JSON list of {name, secret, code} and runs each piece of code.

A piece finds the secret as `secret`, and assigns another one if the service creates the secret itself.
Prints the secrets that were planted, by name.
"""

import base64
import json
import re
import sys
import zipfile
from io import BytesIO

import boto3


def archive() -> bytes:
    """A function's code."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w") as z:
        z.writestr("app.py", "def handler(event, context): pass\n")
    return data.getvalue()


def role() -> str:
    """The ARN of a role that services may assume."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    iam = boto3.client("iam")
    try:
        return iam.create_role(RoleName="planted", AssumeRolePolicyDocument=json.dumps(policy))["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        return iam.get_role(RoleName="planted")["Role"]["Arn"]


def image() -> str:
    """An image that instances can run."""
    return boto3.client("ec2").describe_images()["Images"][0]["ImageId"]


planted, problems = {}, []
for place in json.load(sys.stdin):
    scope = {"boto3": boto3, "json": json, "base64": base64, "re": re, "archive": archive, "role": role, "image": image,
             "secret": place["secret"]}
    try:
        exec(place["code"], scope)
    except Exception as error:
        problems.append(f"{place['name']}: {type(error).__name__}: {error}")
    planted[place["name"]] = scope["secret"]
if problems:
    raise SystemExit("\n".join(problems))
json.dump(planted, sys.stdout)
