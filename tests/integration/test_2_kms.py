"""KMS: keys, their names and states, and what they encrypt. boto3 and the AWS CLI."""

import base64
import datetime
import json

import pytest

from cloud import OTHER_REGION, SHORT_S, error_of, wait_until

ACCOUNT_ARN = "arn:aws:kms:us-east-1:"


@pytest.fixture(scope="module")
def kms(cloud):
    return cloud.client("kms")


@pytest.fixture(scope="module")
def key(kms):
    """A key of these tests; described anew where its state matters."""
    made = kms.create_key(Description="of the tests", Tags=[{"TagKey": "team", "TagValue": "red"}])["KeyMetadata"]
    yield made["KeyId"]
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)


def arn_of(kms, key):
    return kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]


def test_key_is_described(kms, key):
    it = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert it["Arn"].startswith(ACCOUNT_ARN) and it["Arn"].endswith(":key/" + key)
    assert (it["KeyState"], it["Enabled"], it["KeyManager"]) == ("Enabled", True, "CUSTOMER")
    assert (it["KeyUsage"], it["KeySpec"], it["Origin"]) == ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "AWS_KMS")
    assert it["Description"] == "of the tests" and isinstance(it["CreationDate"], datetime.datetime)
    assert kms.describe_key(KeyId=it["Arn"])["KeyMetadata"] == it
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1})
    assert {"KeyId": key, "KeyArn": it["Arn"]} in [k for page in pages for k in page["Keys"]]
    assert '"kms:*"' in kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False


def test_unknown_keys(kms, cloud, key):
    nobody = "00000000-0000-4000-8000-000000000000"
    code, status, message = error_of(kms.describe_key, KeyId=nobody)
    assert (code, status) == ("NotFoundException", 400) and nobody in message
    assert error_of(kms.describe_key, KeyId="alias/nobody")[0] == "NotFoundException"
    assert error_of(cloud.client("kms", region=OTHER_REGION).describe_key, KeyId=key)[0] == "NotFoundException"
    assert error_of(kms.create_key, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")[0] == "UnsupportedOperationException"
    assert error_of(kms.create_key, Policy="{")[0] == "MalformedPolicyDocumentException"


def test_encrypt_and_decrypt(kms, key):
    context = {"purpose": "test", "a": "b"}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"attack at dawn", EncryptionContext=context)
    assert sealed["KeyId"] == arn_of(kms, key) and b"attack" not in sealed["CiphertextBlob"]
    blob = sealed["CiphertextBlob"]
    assert kms.encrypt(KeyId=key, Plaintext=b"attack at dawn", EncryptionContext=context)["CiphertextBlob"] != blob
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=dict(reversed(context.items())))
    assert (opened["Plaintext"], opened["KeyId"]) == (b"attack at dawn", arn_of(kms, key))
    for wrong in ({}, {"purpose": "test"}, {"purpose": "test", "a": "c"}):
        assert error_of(kms.decrypt, CiphertextBlob=blob, EncryptionContext=wrong)[0] == "InvalidCiphertextException"
    damaged = blob[:-1] + bytes([blob[-1] ^ 1])
    assert error_of(kms.decrypt, CiphertextBlob=damaged, EncryptionContext=context)[0] == "InvalidCiphertextException"
    assert error_of(kms.decrypt, CiphertextBlob=b"garbage")[0] == "InvalidCiphertextException"
    assert error_of(kms.encrypt, KeyId=key, Plaintext=b"x" * 4097)[0] == "ValidationException"


def test_data_keys(kms, key):
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"a": "b"})
    assert len(made["Plaintext"]) == 32 and "EncryptionAlgorithm" not in made
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})["Plaintext"] == made["Plaintext"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=key, NumberOfBytes=77)
    assert "Plaintext" not in hidden and len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == 77
    assert error_of(kms.generate_data_key, KeyId=key)[0] == "ValidationException"
    assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024


def test_reencrypt(kms, key):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"moved", EncryptionContext={"from": "here"})["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext={"from": "here"}, DestinationKeyId=other)
    assert (moved["SourceKeyId"], moved["KeyId"]) == (arn_of(kms, key), arn_of(kms, other))
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], KeyId=other)["Plaintext"] == b"moved"
    assert error_of(kms.decrypt, CiphertextBlob=moved["CiphertextBlob"], KeyId=key)[0] == "IncorrectKeyException"
    assert error_of(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=other)[0] == "InvalidCiphertextException"
    kms.schedule_key_deletion(KeyId=other)


def test_aliases(kms, key):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/tests", TargetKeyId=key)
    assert error_of(kms.create_alias, AliasName="alias/tests", TargetKeyId=key)[0] == "AlreadyExistsException"
    assert kms.describe_key(KeyId="alias/tests")["KeyMetadata"]["KeyId"] == key
    mine = [a for page in kms.get_paginator("list_aliases").paginate() for a in page["Aliases"]
            if a["AliasName"] == "alias/tests"]
    assert [a["TargetKeyId"] for a in mine] == [key]
    blob = kms.encrypt(KeyId=mine[0]["AliasArn"], Plaintext=b"by name")["CiphertextBlob"]
    kms.update_alias(AliasName="alias/tests", TargetKeyId=other)
    assert kms.list_aliases(KeyId=key)["Aliases"] == []
    assert [a["AliasName"] for a in kms.list_aliases(KeyId=other)["Aliases"]] == ["alias/tests"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"by name"
    kms.delete_alias(AliasName="alias/tests")
    assert error_of(kms.delete_alias, AliasName="alias/tests")[0] == "NotFoundException"
    assert error_of(kms.create_alias, AliasName="alias/aws/mine", TargetKeyId=key)[0] == "NotAuthorizedException"
    kms.schedule_key_deletion(KeyId=other)


def test_states(kms):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    code, _, message = error_of(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert code == "DisabledException" and message == arn_of(kms, key) + " is disabled."
    assert error_of(kms.decrypt, CiphertextBlob=blob)[0] == "DisabledException"
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert error_of(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=6)[0] == "ValidationException"
    scheduled = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert scheduled["KeyState"] == "PendingDeletion" and scheduled["PendingWindowInDays"] == 7
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert described["DeletionDate"] == scheduled["DeletionDate"] and not described["Enabled"]
    for call, more in ((kms.enable_key, {}), (kms.encrypt, {"Plaintext": b"x"}), (kms.schedule_key_deletion, {})):
        assert error_of(call, KeyId=key, **more)[0] == "KMSInvalidStateException"
    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == arn_of(kms, key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    assert error_of(kms.cancel_key_deletion, KeyId=key)[0] == "KMSInvalidStateException"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


def test_tags(kms, key):
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "stage", "TagValue": "test"}])
    kms.untag_resource(KeyId=key, TagKeys=["team"])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "stage", "TagValue": "test"}]
    assert error_of(kms.tag_resource, KeyId=key, Tags=[{"TagKey": "aws:x", "TagValue": ""}])[0] == "TagException"


def test_grants(kms, key):
    """Made, found, made again by its name, retired and revoked."""
    asked = {"GranteePrincipal": "arn:aws:iam::123456789012:role/one", "Operations": ["Encrypt", "Decrypt"], "Name": "one",
             "Constraints": {"EncryptionContextSubset": {"a": "b"}}, "RetiringPrincipal": "arn:aws:iam::123456789012:root"}
    made = kms.create_grant(KeyId=key, **asked)
    assert {k: v for k, v in kms.create_grant(KeyId=key, **asked).items() if k != "ResponseMetadata"} == \
        {"GrantId": made["GrantId"], "GrantToken": made["GrantToken"]}
    other = kms.create_grant(KeyId=key, GranteePrincipal="arn:aws:iam::123456789012:role/two", Operations=["DescribeKey"])
    (shown,) = kms.list_grants(KeyId=key, GranteePrincipal=asked["GranteePrincipal"])["Grants"]
    assert shown["GrantId"] == made["GrantId"] and shown["KeyId"] == arn_of(kms, key)
    assert {name: shown[name] for name in asked} == asked and shown["CreationDate"].tzinfo
    assert [g["GrantId"] for g in kms.list_retirable_grants(RetiringPrincipal=asked["RetiringPrincipal"])["Grants"]] == [made["GrantId"]]
    first = kms.list_grants(KeyId=key, Limit=1)
    assert first["Truncated"] and len(kms.list_grants(KeyId=key, Marker=first["NextMarker"])["Grants"]) == 1
    kms.retire_grant(GrantToken=made["GrantToken"])
    assert error_of(kms.retire_grant, GrantToken=made["GrantToken"])[0] == "InvalidGrantTokenException"
    kms.revoke_grant(KeyId=key, GrantId=other["GrantId"])
    assert error_of(kms.revoke_grant, KeyId=key, GrantId=other["GrantId"])[0] == "NotFoundException"
    assert kms.list_grants(KeyId=key)["Grants"] == []


def call(cloud, name, **members):
    """An operation that Debian's boto3 does not know: (HTTP status, document)."""
    status, text = cloud.raw({}, service="kms", body=json.dumps(members).encode(),
                             headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{name}"})
    return status, json.loads(text or "{}")


def test_rotation(kms, cloud, key):
    """On and off; and what was encrypted before the material was replaced is decrypted after it."""
    blob = kms.encrypt(KeyId=key, Plaintext=b"before")["CiphertextBlob"]
    assert not kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    kms.enable_key_rotation(KeyId=key)
    shown = call(cloud, "GetKeyRotationStatus", KeyId=key)[1]
    assert shown["KeyRotationEnabled"] and shown["RotationPeriodInDays"] == 365 and shown["NextRotationDate"]
    kms.disable_key_rotation(KeyId=key)
    assert not kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    assert call(cloud, "EnableKeyRotation", KeyId=key, RotationPeriodInDays=89)[1]["__type"] == "ValidationException"
    assert call(cloud, "RotateKeyOnDemand", KeyId=key) == (200, {"KeyId": arn_of(kms, key)})
    (done,) = wait_until("it is rotated", lambda: call(cloud, "ListKeyRotations", KeyId=key)[1]["Rotations"], SHORT_S)
    assert (done["KeyId"], done["RotationType"]) == (key, "ON_DEMAND")
    after = kms.encrypt(KeyId=key, Plaintext=b"after")["CiphertextBlob"]
    assert [kms.decrypt(CiphertextBlob=b)["Plaintext"] for b in (blob, after)] == [b"before", b"after"]
    ebs = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["KeyId"]
    assert error_of(kms.enable_key_rotation, KeyId=ebs)[0] == "AccessDeniedException"


def test_key_of_ebs(kms):
    """It is there at first use, and nobody changes it."""
    it = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert it["KeyManager"] == "AWS" and kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"] == it
    for call in (kms.disable_key, kms.schedule_key_deletion):
        assert error_of(call, KeyId=it["KeyId"])[0] == "AccessDeniedException"


def test_aws_cli(cloud, key, aws_program, tmp_path):
    """Bytes by files: the versions of the CLI take them otherwise in different forms."""
    def aws(*words):
        return cloud.aws("kms", *words, program=aws_program)
    (tmp_path / "plain").write_bytes(b"by hand")
    assert aws("describe-key", "--key-id", key)["KeyMetadata"]["KeyId"] == key
    sealed = aws("encrypt", "--key-id", key, "--plaintext", f"fileb://{tmp_path}/plain")["CiphertextBlob"]
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed))
    opened = aws("decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/sealed")["Plaintext"]
    assert base64.b64decode(opened) == b"by hand"
    assert key in [k["KeyId"] for k in aws("list-keys")["Keys"]]
