"""KMS's actions: scenes, Terraform's resources, and what AWS's answers always have."""

from steps import service

SERVICE = "kms"
ROOMS = ("kms", "kms_alias", "kms_grant", "kms_rotation", "kms_crypto")

call, _ = service(SERVICE)
KEY = {"KeyId": "$key"}
ROOT = "arn:aws:iam::123456789012:root"
# What anybody reads who may read: "a word" in base64.
WORD, IN_BASE64 = "base64:YSB3b3Jk", "YSB3b3Jk"


def key(name="key", **more):
    return call("CreateKey", {"Description": "walk", "Tags": [{"TagKey": "walk", "TagValue": "yes"}]},
                **{name: "KeyMetadata.KeyId", name + "_arn": "KeyMetadata.Arn"}, **more)


def end(name="key"):
    return call("ScheduleKeyDeletion", {"KeyId": f"${name}", "PendingWindowInDays": 7}, see={"KeyState": "PendingDeletion"})


KEYS = [
    key(see={"KeyMetadata.KeyState": "Enabled", "KeyMetadata.KeyManager": "CUSTOMER"}),
    call("DescribeKey", KEY, see={"KeyMetadata.Description": "walk"}, query="KeyMetadata.[KeyId,Arn,KeyState]"),
    call("ListKeys", page=1, query="Keys[].KeyArn"),
    call("UpdateKeyDescription", {**KEY, "Description": "walked"}),
    call("DescribeKey", KEY, see={"KeyMetadata.Description": "walked"}),
    call("DisableKey", KEY),
    call("DescribeKey", KEY, see={"KeyMetadata.KeyState": "Disabled", "KeyMetadata.Enabled": False}),
    call("Encrypt", {**KEY, "Plaintext": WORD}, fails="DisabledException"),
    call("EnableKey", KEY),
    call("ListKeyPolicies", KEY, see={"PolicyNames": ["default"]}),
    call("PutKeyPolicy", {**KEY, "PolicyName": "default", "Policy": '{"Version":"2012-10-17","Statement":[]}'}),
    call("GetKeyPolicy", {**KEY, "PolicyName": "default"}, see={"Policy": '{"Version":"2012-10-17","Statement":[]}'}),
    call("PutKeyPolicy", {**KEY, "PolicyName": "default", "Policy": "{"}, fails="MalformedPolicyDocumentException"),
    call("TagResource", {**KEY, "Tags": [{"TagKey": "team", "TagValue": "blue"}]}),
    call("UntagResource", {**KEY, "TagKeys": ["walk"]}),
    call("ListResourceTags", KEY, see={"Tags": [{"TagKey": "team", "TagValue": "blue"}]}),
    end(),
    call("CancelKeyDeletion", KEY, see={"KeyId": "$key_arn"}),
    call("DescribeKey", KEY, see={"KeyMetadata.KeyState": "Disabled"}),
    end(),
    call("EnableKey", KEY, fails="KMSInvalidStateException"),
    call("DescribeKey", {"KeyId": "alias/nobody"}, fails="NotFoundException"),
]

CRYPTO = [
    key(), key("other"),
    call("Encrypt", {**KEY, "Plaintext": WORD, "EncryptionContext": {"a": "b"}}, sealed="CiphertextBlob", see={"KeyId": "$key_arn"}),
    call("Decrypt", {"CiphertextBlob": "base64:$sealed", "EncryptionContext": {"a": "b"}}, see={"Plaintext": IN_BASE64, "KeyId": "$key_arn"}),
    call("Decrypt", {"CiphertextBlob": "base64:$sealed"}, fails="InvalidCiphertextException"),
    call("ReEncrypt", {"CiphertextBlob": "base64:$sealed", "SourceEncryptionContext": {"a": "b"}, "DestinationKeyId": "$other"},
         moved="CiphertextBlob", see={"KeyId": "$other_arn", "SourceKeyId": "$key_arn"}),
    call("Decrypt", {"CiphertextBlob": "base64:$moved", "KeyId": "$other"}, see={"Plaintext": IN_BASE64}),
    call("Decrypt", {"CiphertextBlob": "base64:$moved", "KeyId": "$key"}, fails="IncorrectKeyException"),
    call("GenerateDataKey", {**KEY, "KeySpec": "AES_256"}, clear="Plaintext", hidden="CiphertextBlob"),
    call("Decrypt", {"CiphertextBlob": "base64:$hidden"}, see={"Plaintext": "$clear"}),
    call("GenerateDataKeyWithoutPlaintext", {**KEY, "NumberOfBytes": 24}, see={"Plaintext": None}, hidden="CiphertextBlob"),
    call("Decrypt", {"CiphertextBlob": "base64:$hidden"}, see={"length(Plaintext)": 32}),
    call("GenerateDataKey", KEY, fails="ValidationException"),
    call("GenerateRandom", {"NumberOfBytes": 48}, see={"length(Plaintext)": 64}),
    end(), end("other"),
]

ALIASES = [
    key(), key("other"),
    call("CreateAlias", {"AliasName": "alias/walk", "TargetKeyId": "$key"}),
    call("CreateAlias", {"AliasName": "alias/walk", "TargetKeyId": "$key"}, fails="AlreadyExistsException"),
    call("ListAliases", KEY, see={"Aliases[].AliasName": ["alias/walk"]}),
    call("ListAliases", page=1, query="Aliases[].AliasArn"),
    call("UpdateAlias", {"AliasName": "alias/walk", "TargetKeyId": "$other"}),
    call("DescribeKey", {"KeyId": "alias/walk"}, see={"KeyMetadata.KeyId": "$other"}),
    call("DeleteAlias", {"AliasName": "alias/walk"}),
    call("DeleteAlias", {"AliasName": "alias/walk"}, fails="NotFoundException"),
    end(), end("other"),
]

GRANTS = [
    key(),
    call("CreateGrant", {**KEY, "GranteePrincipal": ROOT, "RetiringPrincipal": ROOT, "Operations": ["Encrypt", "Decrypt"], "Name": "walk"},
         grant="GrantId", token="GrantToken"),
    call("CreateGrant", {**KEY, "GranteePrincipal": ROOT, "Operations": ["DescribeKey"]}, more="GrantId"),
    call("ListGrants", {**KEY, "GrantId": "$grant"}, see={"Grants[].Name": ["walk"]}, query="Grants[].Operations"),
    call("ListGrants", KEY, see={"length(Grants)": 2}, page=1),
    call("ListRetirableGrants", {"RetiringPrincipal": ROOT}, see={"Grants[?GrantId=='$grant'].Name": ["walk"]}),
    call("RetireGrant", {"GrantToken": "$token"}),
    call("RetireGrant", {"GrantToken": "$token"}, fails="InvalidGrantTokenException"),
    call("RevokeGrant", {**KEY, "GrantId": "$more"}),
    call("RevokeGrant", {**KEY, "GrantId": "$more"}, fails="NotFoundException"),
    end(),
]

ROTATION = [
    key(),
    call("EnableKeyRotation", KEY),
    call("GetKeyRotationStatus", KEY, see={"KeyRotationEnabled": True}),
    call("RotateKeyOnDemand", KEY, see={"KeyId": "$key_arn"}),
    call("ListKeyRotations", KEY, until={"Rotations[].RotationType": ["ON_DEMAND"]}),
    call("DisableKeyRotation", KEY),
    call("GetKeyRotationStatus", KEY, see={"KeyRotationEnabled": False}),
    end(),
]

OF_NEWER = [
    key(),
    call("Encrypt", {**KEY, "Plaintext": WORD, "DryRun": True}, fails="DryRunOperationException"),
    call("EnableKeyRotation", {**KEY, "RotationPeriodInDays": 180}),
    call("GetKeyRotationStatus", KEY, see={"RotationPeriodInDays": 180}),
    end(),
]

SCENES = {"newer": OF_NEWER, "keys": KEYS, "crypto": CRYPTO, "aliases": ALIASES, "grants": GRANTS, "rotation": ROTATION}
GUESTS = {"newer"}  # what Debian's clients have no parameters for
NEWER = {"RotateKeyOnDemand", "ListKeyRotations"}

# What AWS's answers have whatever is asked: the members in all of the examples that the AWS CLI comes with.
PRESENT = {
    "KeyMetadata": ["AWSAccountId", "KeyId", "Arn", "CreationDate", "Enabled", "Description", "KeyUsage", "KeyState", "Origin", "KeyManager",
                    "CustomerMasterKeySpec", "KeySpec", "EncryptionAlgorithms", "MultiRegion"],
    "KeyListEntry": ["KeyId", "KeyArn"],
    "AliasListEntry": ["AliasName", "AliasArn"],
    "EncryptResponse": ["CiphertextBlob", "KeyId", "EncryptionAlgorithm"],
    "DecryptResponse": ["Plaintext", "KeyId", "EncryptionAlgorithm"],
    "ReEncryptResponse": ["CiphertextBlob", "SourceKeyId", "KeyId", "SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"],
    "GenerateDataKeyResponse": ["CiphertextBlob", "Plaintext", "KeyId"],
    "GenerateDataKeyWithoutPlaintextResponse": ["CiphertextBlob", "KeyId"],
    "CreateGrantResponse": ["GrantId", "GrantToken"],
    "GrantListEntry": ["KeyId", "GrantId", "CreationDate", "GranteePrincipal", "IssuingAccount", "Operations"],
    "ScheduleKeyDeletionResponse": ["KeyId", "DeletionDate", "KeyState", "PendingWindowInDays"],
    "RotationsListEntry": ["KeyId", "RotationDate", "RotationType"],
    "GetKeyPolicyResponse": ["Policy"],
}

# Which of the provider's resources, data sources (data.) or the provider itself calls it; "-": none does, and why.
TERRAFORM = {
    "CancelKeyDeletion": "-: the provider makes another key",
    "CreateAlias": "aws_kms_alias",
    "CreateGrant": "aws_kms_grant",
    "CreateKey": "aws_kms_key",
    "Decrypt": "data.aws_kms_secrets",
    "DeleteAlias": "aws_kms_alias",
    "DescribeKey": "aws_kms_key, data.aws_kms_key",
    "DisableKey": "aws_kms_key, with is_enabled = false",
    "DisableKeyRotation": "aws_kms_key, with enable_key_rotation = false",
    "EnableKey": "aws_kms_key, with is_enabled = true again",
    "EnableKeyRotation": "aws_kms_key, with enable_key_rotation",
    "Encrypt": "aws_kms_ciphertext",
    "GenerateDataKey": "-: the provider has nothing of it",
    "GenerateDataKeyWithoutPlaintext": "-: the provider has nothing of it",
    "GenerateRandom": "-: the provider has nothing of it",
    "GetKeyPolicy": "aws_kms_key, aws_kms_key_policy",
    "GetKeyRotationStatus": "aws_kms_key",
    "ListAliases": "aws_kms_alias, data.aws_kms_alias",
    "ListGrants": "aws_kms_grant",
    "ListKeyPolicies": "-: there is one policy, and the provider knows its name",
    "ListKeyRotations": "-: the provider has nothing of it",
    "ListKeys": "-: the provider has nothing of it",
    "ListResourceTags": "aws_kms_key",
    "ListRetirableGrants": "-: the provider has nothing of it",
    "PutKeyPolicy": "aws_kms_key_policy",
    "ReEncrypt": "-: the provider has nothing of it",
    "RetireGrant": "aws_kms_grant, with retire_on_delete",
    "RevokeGrant": "aws_kms_grant",
    "RotateKeyOnDemand": "-: the provider has nothing of it",
    "ScheduleKeyDeletion": "aws_kms_key",
    "TagResource": "aws_kms_key, with other tags",
    "UntagResource": "aws_kms_key, with fewer tags",
    "UpdateAlias": "aws_kms_alias, with another target",
    "UpdateKeyDescription": "aws_kms_key, with another description",
}
FILTERED, REFUSED_FILTERS = [], {}


def before_terraform(_):
    """Nothing is there before."""


OUTPUTS = {"same": True}
# A key is not: how long it waits for its end is in the configuration alone, and so it would differ.
IMPORTED = {"aws_kms_alias.main": lambda it: it["id"]}
