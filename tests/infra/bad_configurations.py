"""Every mistake a user can make in a stack's configuration: changes to the good one, and the key named.

The table in docs/configuration.md is generated from this list, and the tests run every row.
"""

from __future__ import annotations

from typing import Any

from tests.infra.stacks import DIGEST, private_key

TAGGED = "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.12"

BAD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("region", {"region": None}),
    ("region", {"region": "eu-moon-1"}),
    ("awsAccountId", {"awsAccountId": "1234"}),
    ("operatorCidr", {"operatorCidr": None}),
    ("operatorCidr", {"operatorCidr": "my office"}),
    ("operatorCidr", {"operatorCidr": "203.0.113.7/24"}),
    ("operatorCidr", {"operatorCidr": "0.0.0.0/0"}),
    ("operatorCidr", {"operatorCidr": "::/0"}),
    ("operatorCidr", {"operatorCidr": "10.0.0.0/8"}),
    ("acceptOperatorCidr", {"acceptOperatorCidr": "0.0.0.0/0"}),
    ("serviceCidrs", {"serviceCidrs": '["0.0.0.0/0"]'}),
    ("irisCidrs", {"irisCidrs": '["hospital"]'}),
    ("nimCidrs", {"nimCidrs": '["10.1.0.0/16", "10.1.0.0/16"]'}),
    ("nimCidrs", {"nimCidrs": "10.1.0.0/16"}),
    ("serviceCidrs", {"serviceCidrs": '["10.1.0.0/16"'}),
    ("ngcApiKey", {"ngcApiKey": None}),
    ("ngcApiKey", {"ngcApiKey": "sk-something-else"}),
    ("sshPublicKey", {"sshPublicKey": None, "sshPrivateKey": None}),
    ("sshPublicKey", {"sshPublicKey": "AAAAC3NzaC1lZDI1NTE5"}),
    ("sshPrivateKey", {"sshPrivateKey": "-----BEGIN RSA PRIVATE KEY-----"}),
    ("sshPrivateKey", {"sshPrivateKey": private_key(cipher=b"aes256-ctr\x00\x00\x00\x06bcrypt")}),
    ("sshPrivateKey", {"sshPrivateKey": private_key(blob=b"another public half")}),
    ("instanceType", {"instanceType": "p4d.24xlarge"}),
    ("spot", {"spot": "maybe"}),
    ("availabilityZones", {"availabilityZones": '["eu-west-1a"]'}),
    ("availabilityZones", {"availabilityZones": '["us-east-1a", "us-east-1a"]'}),
    ("amiId", {"amiId": None}),
    ("amiId", {"amiId": "ubuntu-24.04"}),
    ("llmModel", {"llmModel": "meta/llama-3.1-405b"}),
    ("embeddingModel", {"embeddingModel": "nvidia/nvclip"}),
    ("imageModel", {"imageModel": "clip"}),
    (
        "embeddingDevice",
        {
            "embeddingDevice": "cpu",
            "embeddingModel": "nvidia/llama-nemotron-embed-1b-v2",
            "embeddingImage": f"nvcr.io/nim/nvidia/llama-nemotron-embed-1b-v2@{DIGEST}",
        },
    ),
    ("embeddingDevice", {"embeddingDevice": "tpu"}),
    ("llmContextTokens", {"llmContextTokens": 131_073}),
    ("llmContextTokens", {"llmContextTokens": "8k"}),
    ("llmConcurrentSequences", {"llmConcurrentSequences": 0}),
    ("irisImage", {"irisImage": None}),
    ("llmImage", {"llmImage": None}),
    ("llmImage", {"llmImage": TAGGED}),
    ("llmImage", {"llmImage": f"nvcr.io/nim/nvidia/nvclip@{DIGEST}"}),
    ("clipImage", {"imageModel": "nvidia/nvclip"}),
    ("volumeSizeGb", {"volumeSizeGb": 10}),
    ("volumeThroughputMbps", {"volumeThroughputMbps": 2000}),
    ("rootVolumeSizeGb", {"rootVolumeSizeGb": 8}),
    ("pauseMode", {"pauseMode": "hibernate"}),
    ("paused", {"paused": True}),
    ("dataRetention", {"dataRetention": "maybe"}),
    ("snapshotsKept", {"snapshotsKept": 0}),
    ("restoreSnapshotId", {"restoreSnapshotId": "latest"}),
    ("restoreSnapshotId", {"restoreSnapshotId": "snap-0123456789abcdef0", "dataRetention": "destroy"}),
    ("acceptLostVolume", {"acceptLostVolume": "yes"}),
    (
        "acceptLostVolume",
        {"acceptLostVolume": "vol-0123456789abcdef0", "restoreSnapshotId": "snap-0123456789abcdef0"},
    ),
    ("idleMinutes", {"idleMinutes": 3}),
    ("idleMinutes", {"idleMinutes": 100_000}),
    ("monthlyBudgetUsd", {"monthlyBudgetUsd": 0}),
    ("alertEmails", {"alertEmails": None}),
    ("alertEmails", {"alertEmails": '["ops at example.org"]'}),
    ("offHoursStop", {"offHoursStop": "7pm"}),
    ("offHoursStart", {"offHoursStart": "07:30"}),
    ("offHoursStart", {"offHoursStop": "19:30", "offHoursStart": "19:30"}),
    ("offHoursDays", {"offHoursStop": "19:30", "offHoursDays": "weekdays"}),
    ("offHoursTimezone", {"offHoursStop": "19:30", "offHoursTimezone": "Mars/Olympus"}),
    ("logRetentionDays", {"logRetentionDays": 30}),
    ("logRetentionDays", {"logRetentionDays": 500}),
    ("documentsPrefix", {"documentsPrefix": "../secrets"}),
    ("environment", {"environment": "dev#1"}),
    ("costCenter", {"costCenter": None}),
    ("owner", {"owner": "x" * 300}),
    ("instanceTyp", {"instanceTyp": "g5.4xlarge"}),
)
