"""Types beside the host: roles, logs, alarms and who is told, budget, schedule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.engine.aws_provider.kinds import Kind, from_pairs, pairs, without_none
from tests.engine.aws_provider.values import Properties


class Role(Kind):
    changes = ("assumeRolePolicy", "description", "forceDetachPolicies")
    token, source, replaces, tagged = "aws:iam/role:Role", "iam/role.go", ("name", "path"), True
    named, read_only = "name", ("arn", "createDate", "uniqueId")

    def create(self, given: Properties) -> str:
        self.iam.create_role(
            RoleName=given["name"],
            AssumeRolePolicyDocument=given["assumeRolePolicy"],
            Description=given.get("description", ""),
            Tags=pairs(given.get("tags")),
        )
        return str(given["name"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.iam.get_role(RoleName=resource_id)["Role"]
        return {
            "name": found["RoleName"],
            "description": found.get("Description"),
            "assumeRolePolicy": json.dumps(found["AssumeRolePolicyDocument"]),
            "tags": from_pairs(found.get("Tags")),
            "arn": found["Arn"],
            "uniqueId": found["RoleId"],
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self.iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=new["assumeRolePolicy"])
        self.iam.update_role(RoleName=resource_id, Description=new.get("description", ""))
        if new.get("tags"):
            self.iam.tag_role(RoleName=resource_id, Tags=pairs(new["tags"]))

    def delete(self, resource_id: str, state: Properties) -> None:
        """Out of every instance profile first (`deleteRoleInstanceProfiles`); with `forceDetachPolicies`, policies that
        no state knows as well (`deleteRolePolicyAttachments`, `deleteRoleInlinePolicies`)."""
        for each in self.iam.list_instance_profiles_for_role(RoleName=resource_id)["InstanceProfiles"]:
            self.iam.remove_role_from_instance_profile(
                InstanceProfileName=each["InstanceProfileName"], RoleName=resource_id
            )
        if state.get("forceDetachPolicies"):
            for each in self.iam.list_attached_role_policies(RoleName=resource_id)["AttachedPolicies"]:
                self.iam.detach_role_policy(RoleName=resource_id, PolicyArn=each["PolicyArn"])
            for name in self.iam.list_role_policies(RoleName=resource_id)["PolicyNames"]:
                self.iam.delete_role_policy(RoleName=resource_id, PolicyName=name)
        self.account.insist(
            f"IAM Role ({resource_id}) delete",
            lambda: self.iam.delete_role(RoleName=resource_id),
            "DeleteConflict",
        )


class RolePolicy(Kind):
    changes = ("policy",)
    token, source, replaces = "aws:iam/rolePolicy:RolePolicy", "iam/role_policy.go", ("name", "role")
    named = "name"

    def create(self, given: Properties) -> str:
        self._put(given)
        return f"{given['role']}:{given['name']}"

    def _put(self, given: Properties) -> None:
        self.iam.put_role_policy(
            RoleName=given["role"], PolicyName=given["name"], PolicyDocument=given["policy"]
        )

    def read(self, resource_id: str, known: Properties) -> Properties:
        role, name = resource_id.split(":", 1)
        found = self.iam.get_role_policy(RoleName=role, PolicyName=name)
        return {"role": role, "name": name, "policy": json.dumps(found["PolicyDocument"])}

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._put(new)

    def delete(self, resource_id: str, state: Properties) -> None:
        role, name = resource_id.split(":", 1)
        self.iam.delete_role_policy(RoleName=role, PolicyName=name)


class RolePolicyAttachment(Kind):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    source, replaces = "iam/role_policy_attachment.go", ("policyArn", "role")

    def create(self, given: Properties) -> str:
        self.iam.attach_role_policy(RoleName=given["role"], PolicyArn=given["policyArn"])
        return f"{given['role']}/{given['policyArn']}"

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        role, arn = resource_id.split("/", 1)
        attached = self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {"role": role, "policyArn": arn} if arn in {each["PolicyArn"] for each in attached} else None

    def delete(self, resource_id: str, state: Properties) -> None:
        role, arn = resource_id.split("/", 1)
        self.iam.detach_role_policy(RoleName=role, PolicyArn=arn)


class InstanceProfile(Kind):
    changes = ("role",)
    token, source = "aws:iam/instanceProfile:InstanceProfile", "iam/instance_profile.go"
    replaces, named, tagged = ("name", "path"), "name", True
    read_only = ("arn", "createDate", "uniqueId")

    def create(self, given: Properties) -> str:
        self.iam.create_instance_profile(InstanceProfileName=given["name"], Tags=pairs(given.get("tags")))
        self.iam.add_role_to_instance_profile(InstanceProfileName=given["name"], RoleName=given["role"])
        return str(given["name"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.iam.get_instance_profile(InstanceProfileName=resource_id)["InstanceProfile"]
        roles = found.get("Roles") or [{}]
        return {
            "name": resource_id,
            "role": roles[0].get("RoleName"),
            "arn": found["Arn"],
            "uniqueId": found["InstanceProfileId"],
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        if old.get("role") == new["role"]:
            return
        if old.get("role"):
            self.iam.remove_role_from_instance_profile(InstanceProfileName=resource_id, RoleName=old["role"])
        self.iam.add_role_to_instance_profile(InstanceProfileName=resource_id, RoleName=new["role"])

    def delete(self, resource_id: str, state: Properties) -> None:
        found = self.iam.get_instance_profile(InstanceProfileName=resource_id)["InstanceProfile"]
        for each in found.get("Roles", ()):
            self.iam.remove_role_from_instance_profile(
                InstanceProfileName=resource_id, RoleName=each["RoleName"]
            )
        self.iam.delete_instance_profile(InstanceProfileName=resource_id)


class LogGroup(Kind):
    changes = ("kmsKeyId", "retentionInDays")
    token, source, replaces = "aws:cloudwatch/logGroup:LogGroup", "logs/group.go", ("name",)
    named, read_only, tagged = "name", ("arn",), True

    def create(self, given: Properties) -> str:
        self.logs.create_log_group(
            logGroupName=given["name"],
            tags=dict(given.get("tags") or {}),
            **without_none(kmsKeyId=given.get("kmsKeyId")),
        )
        self._retain(given)
        return str(given["name"])

    def _retain(self, given: Properties) -> None:
        if given.get("retentionInDays"):
            self.logs.put_retention_policy(
                logGroupName=given["name"], retentionInDays=given["retentionInDays"]
            )

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        for each in self.logs.describe_log_groups(logGroupNamePrefix=resource_id)["logGroups"]:
            if each["logGroupName"] == resource_id:
                arn = each["arn"].removesuffix(":*")
                return {
                    "name": resource_id,
                    "retentionInDays": each.get("retentionInDays"),
                    "kmsKeyId": each.get("kmsKeyId"),
                    "tags": self.logs.list_tags_for_resource(resourceArn=arn).get("tags", {}),
                    "arn": arn,
                }
        return None

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._retain(new)
        if old.get("kmsKeyId") != new.get("kmsKeyId") and new.get("kmsKeyId"):
            self.logs.associate_kms_key(logGroupName=resource_id, kmsKeyId=new["kmsKeyId"])
        if new.get("tags"):
            arn = f"arn:aws:logs:{self.account.region}:{self.account.account_id}:log-group:{resource_id}"
            self.logs.tag_resource(resourceArn=arn, tags=dict(new["tags"]))

    def delete(self, resource_id: str, state: Properties) -> None:
        self.logs.delete_log_group(logGroupName=resource_id)


class MetricAlarm(Kind):
    changes = ("*",)
    token, source, replaces = (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "cloudwatch/metric_alarm.go",
        ("name",),
    )
    named, read_only, tagged = "name", ("arn",), True
    fields: Final = {
        "AlarmDescription": "alarmDescription",
        "Namespace": "namespace",
        "MetricName": "metricName",
        "Statistic": "statistic",
        "Period": "period",
        "EvaluationPeriods": "evaluationPeriods",
        "Threshold": "threshold",
        "ComparisonOperator": "comparisonOperator",
        "TreatMissingData": "treatMissingData",
        "AlarmActions": "alarmActions",
    }

    def create(self, given: Properties) -> str:
        self.update(given["name"], {}, given)
        return str(given["name"])

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        wanted = without_none(**{name: new.get(key) for name, key in self.fields.items()})
        dimensions = [{"Name": name, "Value": value} for name, value in new.get("dimensions", {}).items()]
        self.cloudwatch.put_metric_alarm(
            AlarmName=resource_id, Dimensions=dimensions, Tags=pairs(new.get("tags")), **wanted
        )

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        found = self.cloudwatch.describe_alarms(AlarmNames=[resource_id])["MetricAlarms"]
        if not found:
            return None
        (alarm,) = found
        return {
            "name": resource_id,
            "dimensions": {each["Name"]: each["Value"] for each in alarm.get("Dimensions", ())},
            "arn": alarm["AlarmArn"],
            **{key: alarm.get(name) for name, key in self.fields.items()},
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        self.cloudwatch.delete_alarms(AlarmNames=[resource_id])


class Dashboard(Kind):
    changes = ("dashboardBody",)
    token, source = "aws:cloudwatch/dashboard:Dashboard", "cloudwatch/dashboard.go"
    replaces, read_only = ("dashboardName",), ("dashboardArn",)

    def create(self, given: Properties) -> str:
        self.update(given["dashboardName"], {}, given)
        return str(given["dashboardName"])

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self.cloudwatch.put_dashboard(DashboardName=resource_id, DashboardBody=new["dashboardBody"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.cloudwatch.get_dashboard(DashboardName=resource_id)
        return {
            "dashboardName": resource_id,
            "dashboardBody": found["DashboardBody"],
            "dashboardArn": found["DashboardArn"],
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        self.cloudwatch.delete_dashboards(DashboardNames=[resource_id])


class Budget(Kind):
    """Its filters and notifications are put, not compared: moto keeps neither in full."""

    changes = ("*",)
    token, source, replaces = "aws:budgets/budget:Budget", "budgets/budget.go", ("accountId", "name")
    named, read_only, tagged = "name", ("accountId", "arn"), True

    def create(self, given: Properties) -> str:
        account_id = self.account.account_id
        self.budgets.create_budget(
            AccountId=account_id,
            Budget=_budget(given),
            NotificationsWithSubscribers=[_notification(each) for each in given.get("notifications", ())],
        )
        return f"{account_id}:{given['name']}"

    def read(self, resource_id: str, known: Properties) -> Properties:
        account_id, name = resource_id.split(":", 1)
        found = self.budgets.describe_budget(AccountId=account_id, BudgetName=name)["Budget"]
        return {
            "name": name,
            "budgetType": found["BudgetType"],
            "timeUnit": found["TimeUnit"],
            "limitAmount": str(found["BudgetLimit"]["Amount"]),
            "limitUnit": found["BudgetLimit"]["Unit"],
            "accountId": account_id,
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        """moto cannot change one: made again."""
        self.delete(resource_id, old)
        self.create(new)

    def delete(self, resource_id: str, state: Properties) -> None:
        account_id, name = resource_id.split(":", 1)
        self.budgets.delete_budget(AccountId=account_id, BudgetName=name)


def _budget(given: Properties) -> dict[str, Any]:
    return {
        "BudgetName": given["name"],
        "BudgetType": given["budgetType"],
        "TimeUnit": given["timeUnit"],
        "BudgetLimit": {"Amount": given["limitAmount"], "Unit": given["limitUnit"]},
        "CostFilters": {each["name"]: each["values"] for each in given.get("costFilters", ())},
    }


def _notification(given: Mapping[str, Any]) -> dict[str, Any]:
    addresses = given.get("subscriberEmailAddresses", ())
    return {
        "Notification": {
            "ComparisonOperator": given["comparisonOperator"],
            "NotificationType": given["notificationType"],
            "Threshold": float(given["threshold"]),
            "ThresholdType": given["thresholdType"],
        },
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": each} for each in addresses],
    }


class Topic(Kind):
    changes = ("kmsMasterKeyId",)
    token, source, replaces, tagged = "aws:sns/topic:Topic", "sns/topic.go", ("name",), True
    named, read_only = "name", ("arn", "owner")

    def create(self, given: Properties) -> str:
        made = self.sns.create_topic(Name=given["name"], Tags=pairs(given.get("tags")))
        self._encrypt(made["TopicArn"], given)
        return str(made["TopicArn"])

    def _encrypt(self, arn: str, given: Properties) -> None:
        if given.get("kmsMasterKeyId"):
            self.sns.set_topic_attributes(
                TopicArn=arn, AttributeName="KmsMasterKeyId", AttributeValue=given["kmsMasterKeyId"]
            )

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.sns.get_topic_attributes(TopicArn=resource_id)["Attributes"]
        return {
            "name": resource_id.rsplit(":", 1)[1],
            "kmsMasterKeyId": found.get("KmsMasterKeyId"),
            "tags": from_pairs(self.sns.list_tags_for_resource(ResourceArn=resource_id).get("Tags")),
            "arn": resource_id,
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._encrypt(resource_id, new)
        if new.get("tags"):
            self.sns.tag_resource(ResourceArn=resource_id, Tags=pairs(new["tags"]))

    def delete(self, resource_id: str, state: Properties) -> None:
        self.sns.delete_topic(TopicArn=resource_id)


class TopicPolicy(Kind):
    """A topic always has one; a delete gives it AWS's default back."""

    changes = ("policy",)
    token, source, replaces = "aws:sns/topicPolicy:TopicPolicy", "sns/topic_policy.go", ("arn",)
    read_only = ("owner",)

    def create(self, given: Properties) -> str:
        self.update(given["arn"], {}, given)
        return str(given["arn"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.sns.get_topic_attributes(TopicArn=resource_id)["Attributes"]
        return {"arn": resource_id, "policy": found.get("Policy")}

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self.sns.set_topic_attributes(
            TopicArn=resource_id, AttributeName="Policy", AttributeValue=new["policy"]
        )

    def delete(self, resource_id: str, state: Properties) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "SNS:Publish",
            "Resource": resource_id,
        }
        default = json.dumps({"Version": "2008-10-17", "Statement": [statement]})
        self.sns.set_topic_attributes(TopicArn=resource_id, AttributeName="Policy", AttributeValue=default)


class TopicSubscription(Kind):
    token, source = "aws:sns/topicSubscription:TopicSubscription", "sns/topic_subscription.go"
    replaces, read_only = (
        ("endpoint", "protocol", "topic"),
        ("arn", "confirmationWasAuthenticated", "pendingConfirmation"),
    )

    def create(self, given: Properties) -> str:
        made = self.sns.subscribe(
            TopicArn=given["topic"],
            Protocol=given["protocol"],
            Endpoint=given["endpoint"],
            ReturnSubscriptionArn=True,
        )
        return str(made["SubscriptionArn"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.sns.get_subscription_attributes(SubscriptionArn=resource_id)["Attributes"]
        return {
            "topic": found["TopicArn"],
            "protocol": found["Protocol"],
            "endpoint": found["Endpoint"],
            "arn": resource_id,
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        self.sns.unsubscribe(SubscriptionArn=resource_id)


class ScheduleGroup(Kind):
    token, source = "aws:scheduler/scheduleGroup:ScheduleGroup", "scheduler/schedule_group.go"
    replaces, named, tagged, read_only = ("name",), "name", True, ("arn", "state")

    def create(self, given: Properties) -> str:
        self.scheduler.create_schedule_group(Name=given["name"], Tags=pairs(given.get("tags")))
        return str(given["name"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.scheduler.get_schedule_group(Name=resource_id)
        return {"name": found["Name"], "arn": found["Arn"], "state": found["State"]}

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        found = self.scheduler.get_schedule_group(Name=resource_id)
        self.scheduler.tag_resource(ResourceArn=found["Arn"], Tags=pairs(new.get("tags")))

    def delete(self, resource_id: str, state: Properties) -> None:
        self.scheduler.delete_schedule_group(Name=resource_id)


class Schedule(Kind):
    changes = ("*",)
    token, source = "aws:scheduler/schedule:Schedule", "scheduler/schedule.go"
    replaces, named, read_only = ("groupName", "name"), "name", ("arn",)

    def create(self, given: Properties) -> str:
        self.scheduler.create_schedule(**self._wanted(given))
        return f"{given['groupName']}/{given['name']}"

    @staticmethod
    def _wanted(given: Properties) -> dict[str, Any]:
        target = given["target"]
        retry = target.get("retryPolicy") or {}
        return {
            "Name": given["name"],
            "GroupName": given["groupName"],
            "Description": given.get("description", ""),
            "ScheduleExpression": given["scheduleExpression"],
            "ScheduleExpressionTimezone": given["scheduleExpressionTimezone"],
            "FlexibleTimeWindow": {"Mode": given["flexibleTimeWindow"]["mode"]},
            "Target": {
                "Arn": target["arn"],
                "RoleArn": target["roleArn"],
                "Input": target["input"],
                "RetryPolicy": {
                    "MaximumRetryAttempts": int(retry["maximumRetryAttempts"]),
                    "MaximumEventAgeInSeconds": int(retry["maximumEventAgeInSeconds"]),
                },
            },
        }

    def read(self, resource_id: str, known: Properties) -> Properties:
        group, name = resource_id.split("/", 1)
        found = self.scheduler.get_schedule(GroupName=group, Name=name)
        return {
            "name": name,
            "groupName": group,
            "scheduleExpression": found["ScheduleExpression"],
            "scheduleExpressionTimezone": found["ScheduleExpressionTimezone"],
            "arn": found["Arn"],
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self.scheduler.update_schedule(**self._wanted(new))

    def delete(self, resource_id: str, state: Properties) -> None:
        group, name = resource_id.split("/", 1)
        self.scheduler.delete_schedule(GroupName=group, Name=name)


KINDS: Final[tuple[type[Kind], ...]] = (
    Role,
    RolePolicy,
    RolePolicyAttachment,
    InstanceProfile,
    LogGroup,
    MetricAlarm,
    Dashboard,
    Budget,
    Topic,
    TopicPolicy,
    TopicSubscription,
    ScheduleGroup,
    Schedule,
)
