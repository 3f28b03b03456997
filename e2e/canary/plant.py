"""Plants secrets in moto: reads a JSON list of {name, secret, code} and runs the code of each element.

The code finds the secret in the variable `secret`. If the service creates the secret itself, the code assigns that
secret to the variable. Prints the planted secrets by name, as JSON.
"""

import base64
import json
import re
import sys
import zipfile
from io import BytesIO

import boto3


def archive() -> bytes:
    """Returns the deployment package of a function."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w") as z:
        z.writestr("app.py", "def handler(event, context): pass\n")
    return data.getvalue()


def role() -> str:
    """Returns the ARN of a role that services may assume."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    iam = boto3.client("iam")
    try:
        return iam.create_role(RoleName="planted", AssumeRolePolicyDocument=json.dumps(policy))["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        return iam.get_role(RoleName="planted")["Role"]["Arn"]


def image() -> str:
    """Returns the id of an image that instances can run."""
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
