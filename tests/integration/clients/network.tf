# The network's resources and data sources. With change=true some are changed in place, so that each action that has a use for
# Terraform is called (network.py, TERRAFORM).
variable "change" {
  default = false
}
provider "aws" {
  skip_metadata_api_check = true
}
# A region whose default VPC is gone, and one where a default subnet is.
provider "aws" {
  alias                   = "no_vpc"
  region                  = "ap-northeast-2"
  skip_metadata_api_check = true
}
provider "aws" {
  alias                   = "no_subnet"
  region                  = "eu-west-1"
  skip_metadata_api_check = true
}
resource "aws_default_vpc" "new" {
  provider = aws.no_vpc
  tags     = { Name = var.change ? "changed" : "new" }
}
resource "aws_default_subnet" "new" {
  provider          = aws.no_subnet
  availability_zone = "eu-west-1a"
}

data "aws_regions" "all" {}
data "aws_availability_zones" "all" {
  state = "available"
}
data "aws_ec2_instance_type" "nano" {
  instance_type = "t3.nano"
}
data "aws_ec2_instance_type_offerings" "small" {
  filter {
    name   = "instance-type"
    values = ["t3.*"]
  }
  location_type = "availability-zone"
}
data "aws_ami" "tiny" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["minicloud-tiny*"]
  }
}

# --- VPCs, subnets, gateways and routes

resource "aws_vpc" "main" {
  cidr_block                           = "10.80.0.0/16"
  enable_dns_hostnames                 = true
  enable_network_address_usage_metrics = var.change
  tags                                 = { Name = "clients" }
}
resource "aws_vpc" "peer" {
  cidr_block           = "10.81.0.0/16"
  enable_dns_hostnames = true
}
resource "aws_vpc_ipv4_cidr_block_association" "more" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "100.80.0.0/24"
}
resource "aws_subnet" "a" {
  vpc_id                  = aws_vpc.main.id
  cidr_block              = "10.80.1.0/24"
  availability_zone       = data.aws_availability_zones.all.names[0]
  map_public_ip_on_launch = var.change
  tags                    = { Name = "clients" }
}
resource "aws_subnet" "b" {
  vpc_id            = aws_vpc_ipv4_cidr_block_association.more.vpc_id
  cidr_block        = "100.80.0.0/28"
  availability_zone = data.aws_availability_zones.all.names[1]
}
resource "aws_ec2_subnet_cidr_reservation" "kept" {
  subnet_id        = aws_subnet.a.id
  cidr_block       = "10.80.1.192/26"
  reservation_type = "explicit"
}
resource "aws_ec2_tag" "own" {
  resource_id = aws_vpc.peer.default_network_acl_id
  key         = "Team"
  value       = var.change ? "red" : "blue"
}
resource "aws_internet_gateway" "igw" {
  vpc_id = aws_vpc.main.id
}
resource "aws_route_table" "one" {
  vpc_id = aws_vpc.main.id
}
resource "aws_route_table" "two" {
  vpc_id = aws_vpc.main.id
}
resource "aws_route_table_association" "a" {
  subnet_id      = aws_subnet.a.id
  route_table_id = var.change ? aws_route_table.two.id : aws_route_table.one.id
}
resource "aws_main_route_table_association" "main" {
  vpc_id         = aws_vpc.main.id
  route_table_id = aws_route_table.two.id
}
resource "aws_route" "out" {
  route_table_id         = aws_route_table.one.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.igw.id
}
resource "aws_route" "inside" {
  route_table_id         = aws_route_table.two.id
  destination_cidr_block = "198.51.100.0/24"
  gateway_id             = var.change ? null : aws_internet_gateway.igw.id
  network_interface_id   = var.change ? aws_network_interface.own.id : null
}
resource "aws_default_route_table" "peer" {
  default_route_table_id = aws_vpc.peer.default_route_table_id
  route {
    cidr_block                = aws_vpc.main.cidr_block
    vpc_peering_connection_id = aws_vpc_peering_connection_accepter.peer.id
  }
}
resource "aws_default_vpc_dhcp_options" "default" {}
resource "aws_vpc_dhcp_options" "own" {
  domain_name         = "example.org"
  domain_name_servers = ["10.80.1.9"]
}
resource "aws_vpc_dhcp_options_association" "own" {
  vpc_id          = aws_vpc.peer.id
  dhcp_options_id = aws_vpc_dhcp_options.own.id
}

# --- network ACLs

resource "aws_default_network_acl" "main" {
  default_network_acl_id = aws_vpc.main.default_network_acl_id
  subnet_ids             = [aws_subnet.a.id]
  ingress {
    rule_no    = 50
    protocol   = "-1"
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
  egress {
    rule_no    = 50
    protocol   = "-1"
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}
resource "aws_network_acl" "own" {
  vpc_id = aws_vpc.main.id
}
resource "aws_network_acl_rule" "ssh" {
  network_acl_id = aws_network_acl.own.id
  rule_number    = 100
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "10.0.0.0/8"
  from_port      = 22
  to_port        = 22
}
resource "aws_network_acl_association" "b" {
  network_acl_id = aws_network_acl.own.id
  subnet_id      = aws_subnet.b.id
}

# --- security groups and prefix lists

resource "aws_default_security_group" "main" {
  vpc_id = aws_vpc.main.id
}
resource "aws_security_group" "own" {
  name   = "clients"
  vpc_id = aws_vpc.main.id
  tags   = { Name = var.change ? "changed" : "new" }
}
resource "aws_security_group" "inline" {
  name   = "inline"
  vpc_id = aws_vpc.main.id
  ingress {
    from_port   = 80
    to_port     = var.change ? 81 : 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    from_port       = 443
    to_port         = 443
    protocol        = "tcp"
    security_groups = [aws_security_group.own.id]
    self            = true
  }
}
resource "aws_vpc_security_group_ingress_rule" "ssh" {
  security_group_id = aws_security_group.own.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = var.change ? 2222 : 22
  to_port           = var.change ? 2222 : 22
  tags              = { Name = "ssh" }
}
resource "aws_vpc_security_group_ingress_rule" "list" {
  security_group_id = aws_security_group.own.id
  prefix_list_id    = aws_ec2_managed_prefix_list.office.id
  ip_protocol       = "-1"
}
resource "aws_vpc_security_group_egress_rule" "any" {
  security_group_id = aws_security_group.own.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
resource "aws_security_group_rule" "in" {
  security_group_id = aws_security_group.own.id
  type              = "ingress"
  cidr_blocks       = ["192.0.2.0/24"]
  protocol          = "udp"
  from_port         = 53
  to_port           = 53
  description       = var.change ? "changed" : "names"
}
resource "aws_security_group_rule" "out" {
  security_group_id = aws_security_group.own.id
  type              = "egress"
  cidr_blocks       = ["192.0.2.0/24"]
  protocol          = "icmp"
  from_port         = 8
  to_port           = 0
  description       = var.change ? "changed" : "pings"
}
resource "aws_ec2_managed_prefix_list" "office" {
  name           = "office"
  address_family = "IPv4"
  max_entries    = var.change ? 4 : 3
}
resource "aws_ec2_managed_prefix_list_entry" "one" {
  prefix_list_id = aws_ec2_managed_prefix_list.office.id
  cidr           = "192.0.2.0/24"
  description    = "office"
}

# --- interfaces, addresses, NAT gateways

resource "aws_network_interface" "own" {
  subnet_id               = aws_subnet.a.id
  private_ip_list_enabled = true
  private_ip_list         = ["10.80.1.50", var.change ? "10.80.1.52" : "10.80.1.51"]
  security_groups         = [aws_security_group.own.id]
  source_dest_check       = !var.change
  description             = var.change ? "changed" : "new"
}
resource "aws_network_interface" "second" {
  subnet_id = aws_subnet.a.id
  lifecycle {
    ignore_changes = [security_groups]
  }
}
resource "aws_network_interface_sg_attachment" "second" {
  network_interface_id = aws_network_interface.second.id
  security_group_id    = aws_security_group.inline.id
}
resource "aws_instance" "one" {
  ami           = data.aws_ami.tiny.id
  instance_type = "t3.nano"
  subnet_id     = aws_subnet.a.id
  depends_on    = [aws_default_network_acl.main]
  lifecycle {
    ignore_changes = [associate_public_ip_address]
  }
}
resource "aws_network_interface_attachment" "second" {
  instance_id          = aws_instance.one.id
  network_interface_id = aws_network_interface.second.id
  device_index         = 1
}
resource "aws_eip" "host" {
  domain     = "vpc"
  depends_on = [aws_internet_gateway.igw]
}
resource "aws_eip_association" "host" {
  allocation_id        = aws_eip.host.id
  network_interface_id = aws_network_interface.own.id
  private_ip_address   = "10.80.1.50"
}
resource "aws_eip_domain_name" "host" {
  allocation_id = aws_eip.host.id
  domain_name   = "host.example.org"
}
resource "aws_eip" "nat" {
  count      = 2
  domain     = "vpc"
  depends_on = [aws_internet_gateway.igw]
}
resource "aws_nat_gateway" "public" {
  subnet_id                = aws_subnet.a.id
  allocation_id            = aws_eip.nat[0].id
  secondary_allocation_ids = var.change ? [] : [aws_eip.nat[1].id]
}
resource "aws_nat_gateway" "other" {
  subnet_id                = aws_subnet.a.id
  allocation_id            = aws_eip.other.id
  secondary_allocation_ids = var.change ? [aws_eip.more.id] : []
}
resource "aws_eip" "other" {
  domain = "vpc"
}
resource "aws_eip" "more" {
  domain = "vpc"
}
resource "aws_nat_gateway" "private" {
  connectivity_type              = "private"
  subnet_id                      = aws_subnet.b.id
  private_ip                     = "100.80.0.5"
  secondary_private_ip_addresses = [var.change ? "100.80.0.7" : "100.80.0.6"]
}

# --- peering, endpoints, flow logs, Reachability Analyzer

resource "aws_vpc_peering_connection" "peer" {
  vpc_id      = aws_vpc.main.id
  peer_vpc_id = aws_vpc.peer.id
}
resource "aws_vpc_peering_connection_accepter" "peer" {
  vpc_peering_connection_id = aws_vpc_peering_connection.peer.id
  auto_accept               = true
}
resource "aws_vpc_peering_connection_options" "peer" {
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.peer.id
  requester {
    allow_remote_vpc_dns_resolution = !var.change
  }
}
data "aws_vpc_endpoint_service" "ec2" {
  service      = "ec2"
  service_type = "Interface"
}
resource "aws_vpc_endpoint" "ec2" {
  vpc_id            = aws_vpc.main.id
  vpc_endpoint_type = "Interface"
  service_name      = data.aws_vpc_endpoint_service.ec2.service_name
  tags              = { Name = var.change ? "changed" : "new" }
}
resource "aws_vpc_endpoint_subnet_association" "ec2" {
  vpc_endpoint_id = aws_vpc_endpoint.ec2.id
  subnet_id       = aws_subnet.a.id
}
resource "aws_vpc_endpoint_security_group_association" "ec2" {
  vpc_endpoint_id   = aws_vpc_endpoint.ec2.id
  security_group_id = aws_security_group.inline.id
}
resource "aws_vpc_endpoint" "sts" {
  vpc_id            = aws_vpc.main.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.us-east-1.sts"
}
resource "aws_vpc_endpoint_route_table_association" "sts" {
  vpc_endpoint_id = aws_vpc_endpoint.sts.id
  route_table_id  = aws_route_table.one.id
}
resource "aws_vpc_endpoint_policy" "sts" {
  vpc_endpoint_id = aws_vpc_endpoint.sts.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = "*", Action = var.change ? "sts:*" : "*", Resource = "*" }]
  })
}
resource "aws_flow_log" "vpc" {
  vpc_id                   = aws_vpc.main.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_group_name           = "clients"
  iam_role_arn             = "arn:aws:iam::123456789012:role/flow"
  max_aggregation_interval = 60
}
# The interface is nobody's: what asks for it finds no way.
resource "aws_ec2_network_insights_path" "ssh" {
  source           = aws_internet_gateway.igw.id
  destination      = aws_network_interface.own.id
  protocol         = "tcp"
  destination_port = 22
}
resource "aws_ec2_network_insights_analysis" "ssh" {
  network_insights_path_id = aws_ec2_network_insights_path.ssh.id
  depends_on = [aws_eip_association.host, aws_route.out, aws_route_table_association.a, aws_default_network_acl.main,
  aws_vpc_security_group_ingress_rule.ssh]
}

# --- the same once more, as data

data "aws_vpc" "main" {
  id = aws_vpc.main.id
}
data "aws_vpcs" "all" {
  tags       = { Name = "clients" }
  depends_on = [aws_vpc.main]
}
data "aws_subnet" "a" {
  id = aws_subnet.a.id
}
data "aws_subnets" "main" {
  filter {
    name   = "vpc-id"
    values = [aws_vpc.main.id]
  }
  depends_on = [aws_subnet.a, aws_subnet.b]
}
data "aws_internet_gateway" "main" {
  filter {
    name   = "attachment.vpc-id"
    values = [aws_internet_gateway.igw.vpc_id]
  }
}
data "aws_route_table" "one" {
  route_table_id = aws_route_table.one.id
}
data "aws_route_tables" "main" {
  vpc_id     = aws_vpc.main.id
  depends_on = [aws_route_table.one, aws_route_table.two]
}
data "aws_route" "out" {
  route_table_id         = aws_route.out.route_table_id
  destination_cidr_block = "0.0.0.0/0"
}
data "aws_vpc_dhcp_options" "own" {
  dhcp_options_id = aws_vpc_dhcp_options.own.id
}
data "aws_network_acls" "main" {
  vpc_id     = aws_vpc.main.id
  depends_on = [aws_network_acl.own]
}
data "aws_security_group" "own" {
  id = aws_security_group.own.id
}
data "aws_security_groups" "main" {
  filter {
    name   = "vpc-id"
    values = [aws_vpc.main.id]
  }
  depends_on = [aws_security_group.own, aws_security_group.inline]
}
data "aws_vpc_security_group_rule" "ssh" {
  security_group_rule_id = aws_vpc_security_group_ingress_rule.ssh.id
}
data "aws_vpc_security_group_rules" "own" {
  filter {
    name   = "group-id"
    values = [aws_security_group.own.id]
  }
  depends_on = [aws_vpc_security_group_ingress_rule.ssh, aws_vpc_security_group_ingress_rule.list]
}
data "aws_ec2_managed_prefix_list" "office" {
  id         = aws_ec2_managed_prefix_list.office.id
  depends_on = [aws_ec2_managed_prefix_list_entry.one]
}
data "aws_ec2_managed_prefix_lists" "all" {}
data "aws_prefix_list" "sts" {
  prefix_list_id = aws_vpc_endpoint.sts.prefix_list_id
}
data "aws_network_interface" "own" {
  id         = aws_network_interface.own.id
  depends_on = [aws_eip_association.host]
}
data "aws_network_interfaces" "a" {
  filter {
    name   = "subnet-id"
    values = [aws_subnet.a.id]
  }
  depends_on = [aws_network_interface.own]
}
data "aws_eip" "host" {
  id = aws_eip_association.host.allocation_id
}
data "aws_eips" "all" {
  depends_on = [aws_eip.host, aws_eip.nat]
}
data "aws_nat_gateway" "public" {
  id = aws_nat_gateway.public.id
}
data "aws_nat_gateways" "main" {
  vpc_id     = aws_vpc.main.id
  depends_on = [aws_nat_gateway.public, aws_nat_gateway.private, aws_nat_gateway.other]
}
data "aws_vpc_peering_connection" "peer" {
  id = aws_vpc_peering_connection_accepter.peer.id
}
data "aws_vpc_peering_connections" "all" {
  filter {
    name   = "requester-vpc-info.vpc-id"
    values = [aws_vpc_peering_connection_accepter.peer.vpc_id]
  }
}
data "aws_vpc_endpoint" "sts" {
  id = aws_vpc_endpoint.sts.id
}
data "aws_ec2_network_insights_path" "ssh" {
  network_insights_path_id = aws_ec2_network_insights_path.ssh.id
}
data "aws_ec2_network_insights_analysis" "ssh" {
  network_insights_analysis_id = aws_ec2_network_insights_analysis.ssh.id
}
output "counts" {
  value = {
    subnets         = length(data.aws_subnets.main.ids)
    nat_gateways    = length(data.aws_nat_gateways.main.ids)
    rules           = length(data.aws_vpc_security_group_rules.own.ids)
    reachable       = data.aws_ec2_network_insights_analysis.ssh.path_found
    public          = data.aws_eip.host.public_ip == data.aws_network_interface.own.association[0].public_ip
    security_groups = length(data.aws_security_groups.main.ids)
  }
}
