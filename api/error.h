/* Documented outcomes of API actions: one table maps each to AWS's error code,
 * HTTP status and message (EC2 API reference, "Error codes"). */
#ifndef MC_API_ERROR_H
#define MC_API_ERROR_H

#include <stdarg.h>

/* name, HTTP status, AWS code, message format (the arguments of action_fail) */
#define API_ERRORS(X) \
	X(AUTH_FAILURE, 401, "AuthFailure", "AWS was not able to validate the provided access credentials") \
	X(BLOCKED_REGION, 400, "InvalidRegion", "The region '%s' is not one of this cloud's regions") \
	X(DRY_RUN, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.") \
	X(UNAUTHORIZED, 403, "UnauthorizedOperation", "You are not authorized to perform this operation.") \
	X(INVALID_ACTION, 400, "InvalidAction", "The action %s is not valid for this web service.") \
	X(UNSUPPORTED_OPERATION, 400, "UnsupportedOperation", "The operation %s is not supported by this cloud yet.") \
	X(UNSUPPORTED, 400, "UnsupportedOperation", "%s") \
	X(INTERNAL, 500, "InternalError", "An internal error has occurred.") \
	X(UNAVAILABLE, 503, "Unavailable", "The server is overloaded and can't handle the request; try again.") \
	X(INVALID_PARAMETER, 400, "InvalidParameterValue", "%s") \
	X(PARAMETER_COMBINATION, 400, "InvalidParameterCombination", "%s") \
	X(MISSING_PARAMETER, 400, "MissingParameter", "The request must contain the parameter %s") \
	X(INVALID_NEXT_TOKEN, 400, "InvalidNextToken", "The token '%s' is invalid") \
	X(INVALID_PAGE, 400, "InvalidParameterValue", "Value ( %lld ) for parameter maxResults is invalid. Expecting a value between %d and %d.") \
	X(INVALID_FILTER, 400, "InvalidParameterValue", "The filter '%s' is invalid") \
	X(FILTER_LIMIT, 400, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200") \
	X(MALFORMED_ID, 400, "%s", "Invalid id: \"%s\" (expecting \"%s-...\")") \
	X(NOT_FOUND, 400, "%s", "%s") \
	X(IDEMPOTENT_MISMATCH, 400, "IdempotentParameterMismatch", "The client token '%s' was used before with other parameters") \
	X(INCORRECT_INSTANCE_STATE, 400, "IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s.") \
	X(CONSOLE_IN_USE, 409, "ConsoleInUse", "Another session has the console of '%s'; it can be taken over by force.") \
	X(UPGRADE_REQUIRED, 426, "UpgradeRequired", "This is no page but a connection: ask for an upgrade to %s.") \
	X(TERMINATION_PROTECTED, 400, "OperationNotPermitted", "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.") \
	X(INSUFFICIENT_CAPACITY, 500, "InsufficientInstanceCapacity", "%s") \
	X(INSUFFICIENT_ADDRESSES, 400, "InsufficientFreeAddressesInSubnet", "There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.") \
	X(AMI_UNAVAILABLE, 400, "InvalidAMIID.Unavailable", "The image ID '%s' is not available") \
	X(KEY_PAIR_DUPLICATE, 400, "InvalidKeyPair.Duplicate", "The keypair '%s' already exists.") \
	X(KEY_PAIR_FORMAT, 400, "InvalidKeyPair.Format", "Key is not in valid OpenSSH public key format") \
	X(KEY_FORMAT, 400, "InvalidKey.Format", "Key is not in valid OpenSSH public key format") \
	X(GROUP_DUPLICATE, 400, "InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'") \
	X(GROUP_RESERVED, 400, "InvalidGroup.Reserved", "The security group name '%s' is reserved") \
	X(GROUP_IN_USE, 400, "DependencyViolation", "resource %s has a dependent object") \
	X(CANNOT_DELETE, 400, "CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user") \
	X(DEPENDENCY_VIOLATION, 400, "DependencyViolation", "%s") \
	X(PERMISSION_DUPLICATE, 400, "InvalidPermission.Duplicate", "the specified rule \"%s\" already exists") \
	X(PERMISSION_NOT_FOUND, 400, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.") \
	X(PERMISSION_MALFORMED, 400, "InvalidPermission.Malformed", "%s") \
	X(RULES_LIMIT, 400, "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.") \
	X(GROUPS_LIMIT, 400, "SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.") \
	X(GROUPS_PER_INTERFACE_LIMIT, 400, "SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached.") \
	X(ADDRESS_IN_USE, 400, "InvalidIPAddress.InUse", "Address %s is in use.") \
	X(ADDRESS_ASSIGNED, 400, "Resource.AlreadyAssigned", "The private IP address %s is already assigned.") \
	X(NO_FREE_ADDRESS, 500, "InsufficientAddressCapacity", "There are no free public addresses.") \
	X(TYPE_ADDRESSES_LIMIT, 400, "InvalidInterface.IpAddressLimitExceeded", "Number of private addresses will exceed limit.") \
	X(ADDRESSES_PER_INTERFACE_LIMIT, 400, "PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.") \
	X(ADDRESS_LIMIT, 400, "AddressLimitExceeded", "The maximum number of addresses has been reached.") \
	X(ADDRESS_ASSOCIATED, 400, "Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s") \
	X(NO_GATEWAY, 400, "Gateway.NotAttached", "Network %s is not attached to any internet gateway") \
	X(INVALID_INSTANCE, 400, "InvalidInstanceID", "%s") \
	X(NOT_PERMITTED, 400, "OperationNotPermitted", "%s") \
	X(INTERFACE_IN_USE, 400, "InvalidNetworkInterface.InUse", "Interface: [%s] in use.") \
	X(ATTACHMENT_LIMIT, 400, "AttachmentLimitExceeded", "Interface count %lld exceeds the limit for %s") \
	X(INCORRECT_STATE, 400, "IncorrectState", "%s") \
	X(TAG_LIMIT, 400, "TagLimitExceeded", "More than 50 tags on a resource are not allowed.") \
	X(TAG_KEY, 400, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use") \
	X(RESOURCE_TYPE, 400, "InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.") \
	X(INSTANCE_LIMIT, 400, "InstanceLimitExceeded", "You have requested more instances (%lld) than your current instance limit of %d allows.") \
	X(USER_DATA, 400, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") \
	X(INVALID_ZONE, 400, "InvalidParameterValue", "Invalid availability zone: [%s]") \
	X(INVALID_TYPE, 400, "InvalidInstanceType", "The following supplied instance types do not exist: [%s]") \
	X(HAS_DEPENDENCIES, 400, "DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.") \
	X(LIMIT, 400, "%s", "The maximum number of %s has been reached.") \
	X(VPC_RANGE, 400, "InvalidVpc.Range", "The CIDR '%s' is invalid.") \
	X(VPC_RANGE_TEXT, 400, "InvalidVpc.Range", "%s") \
	X(VPC_CIDR_LIMIT, 400, "CidrLimitExceeded", "This network %s has met its maximum number of allowed CIDRs: %d") \
	X(VPC_CIDR_PRIMARY, 400, "OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC") \
	X(VPC_CIDR_IN_USE, 400, "InvalidCidrBlock.InUse", "The vpc %s currently has a subnet within CIDR block %s") \
	X(VPC_CIDR_NOT_FOUND, 400, "InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist") \
	X(DEFAULT_VPC_EXISTS, 400, "DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.") \
	X(DEFAULT_VPC_MISSING, 400, "DefaultVpcDoesNotExist", "No default VPC exists for this account in this region.") \
	X(DEFAULT_SUBNET_EXISTS, 400, "DefaultSubnetAlreadyExistsInAvailabilityZone", "'%s' is already the default subnet in %s") \
	X(SUBNET_RANGE, 400, "InvalidSubnet.Range", "The CIDR '%s' is invalid.") \
	X(SUBNET_CONFLICT, 400, "InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet") \
	X(ALREADY_ASSOCIATED, 400, "Resource.AlreadyAssociated", "%s") \
	X(GATEWAY_NOT_ATTACHED, 400, "Gateway.NotAttached", "resource %s is not attached to network %s") \
	X(ASSOCIATION_NOT_FOUND, 400, "InvalidAssociationID.NotFound", "The association ID '%s' does not exist") \
	X(ROUTE_EXISTS, 400, "RouteAlreadyExists", "The route identified by %s already exists.") \
	X(ROUTE_NOT_FOUND, 400, "InvalidRoute.NotFound", "no route with %s %s in route table %s") \
	X(ACL_ENTRY_EXISTS, 400, "NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.") \
	X(ACL_ENTRY_NOT_FOUND, 400, "InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.") \
	X(PREFIX_LIST_FULL, 400, "PrefixListMaxEntriesExceeded", "The prefix list cannot have more than %lld entries") \
	X(PREFIX_LIST_VERSION, 400, "PrefixListVersionMismatch", "The prefix list has the incorrect version number.") \
	X(PEERING_EXISTS, 400, "VpcPeeringConnectionAlreadyExists", "A VPC peering connection between %s and %s already exists: %s") \
	X(PEERING_TRANSITION, 400, "InvalidStateTransition", "Invalid state transition for %s, attempted to transition from %s to %s") \
	X(ENDPOINT_SERVICE, 400, "InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist") \
	X(ENDPOINT_PARAMETER, 400, "InvalidParameter", "%s") \
	X(ENDPOINT_ZONE, 400, "DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s") \
	X(POLICY_DOCUMENT, 400, "InvalidPolicyDocument", "The specified policy document is not a valid JSON policy document.") \
	X(INSTANCE_INTERFACES, 400, "InvalidInstanceID", "%s") \
	X(MISSING, 400, "MissingParameter", "%s") \
	X(INVALID_ID, 400, "InvalidID", "The ID '%s' is not valid") \
	X(VPC_UNSPECIFIED, 400, "VPCIdNotSpecified", "No default VPC for this user") \
	X(USER_ID, 400, "InvalidUserID.Malformed", "Invalid user id: \"%s\"") \
	X(PARAMETER_NOT_FOUND, 400, "ParameterNotFound", "Parameter not found.") \
	X(PARAMETER_VERSION, 400, "ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.") \
	X(PARAMETER_PATH, 400, "ValidationException", "The parameter path must begin with a slash.") \
	X(KMS_DRY_RUN, 412, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.") \
	X(KMS_KEY_UNAVAILABLE, 500, "KeyUnavailableException", "%s") \
	X(FILTER_KEY, 400, "InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [Type, KeyId, Label].") \
	X(REST_VALIDATION, 400, "ValidationException", "%s") \
	X(REST_NOT_FOUND, 404, "ResourceNotFoundException", "%s") \
	X(REST_DENIED, 403, "AccessDeniedException", "%s") \
	X(REST_CONFLICT, 409, "ConflictException", "%s") \
	X(REST_QUOTA, 402, "ServiceQuotaExceededException", "%s") \
	X(REST_CONCURRENT, 400, "ConcurrentLimitExceededException", "%s") \
	X(REST_THROTTLED, 400, "RequestThrottledException", "%s") \
	X(REST_INVALID, 400, "InvalidRequestException", "%s") \
	X(REST_LIMIT, 429, "LimitExceededException", "%s") \
	X(FILTER_OPTION, 400, "InvalidFilterOption", "The following filter option is not valid: %s. Valid options include: [BeginsWith, Equals].")

enum api_error {
	API_OK,
#define X(name, status, code, format) API_##name,
	API_ERRORS(X)
#undef X
	API_ERROR_MAX
};

int api_error_status(enum api_error e);
/* For MALFORMED_ID and NOT_FOUND the code itself is "%s": the first argument. */
const char *api_error_code(enum api_error e);
const char *api_error_format(enum api_error e);

#endif
