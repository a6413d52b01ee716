# Two VPCs with what can be in them but for guests.
resource "aws_vpc" "main" {
  cidr_block           = "10.40.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = "terraform-vpc" }
}
resource "aws_vpc_ipv4_cidr_block_association" "more" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "100.70.0.0/24"
}
resource "aws_subnet" "public" {
  vpc_id                  = aws_vpc.main.id
  cidr_block              = "10.40.1.0/24"
  availability_zone       = "us-east-1b"
  map_public_ip_on_launch = true
}
resource "aws_subnet" "more" {
  vpc_id     = aws_vpc_ipv4_cidr_block_association.more.vpc_id
  cidr_block = "100.70.0.0/28"
}
resource "aws_internet_gateway" "igw" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "terraform-igw" }
}
resource "aws_ec2_managed_prefix_list" "office" {
  name           = "office"
  address_family = "IPv4"
  max_entries    = 3
  entry {
    cidr        = "198.51.100.0/24"
    description = "office"
  }
  entry {
    cidr = "192.0.2.0/24"
  }
}
resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.igw.id
  }
}
resource "aws_route_table_association" "public" {
  subnet_id      = aws_subnet.public.id
  route_table_id = aws_route_table.public.id
}
resource "aws_route_table" "other" {
  vpc_id = aws_vpc.main.id
}
resource "aws_route" "office" {
  route_table_id             = aws_route_table.other.id
  destination_prefix_list_id = aws_ec2_managed_prefix_list.office.id
  gateway_id                 = aws_internet_gateway.igw.id
}
resource "aws_main_route_table_association" "main" {
  vpc_id         = aws_vpc.main.id
  route_table_id = aws_route_table.other.id
}
resource "aws_network_acl" "strict" {
  vpc_id     = aws_vpc.main.id
  subnet_ids = [aws_subnet.more.id]
  ingress {
    rule_no    = 100
    protocol   = "tcp"
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 22
    to_port    = 22
  }
  egress {
    rule_no    = 100
    protocol   = "-1"
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}
resource "aws_network_acl_rule" "ping" {
  network_acl_id = aws_network_acl.rules.id
  rule_number    = 200
  protocol       = "icmp"
  rule_action    = "allow"
  cidr_block     = "10.0.0.0/8"
  icmp_type      = 8
  icmp_code      = -1
}
resource "aws_network_acl" "rules" {
  vpc_id = aws_vpc.main.id
}
resource "aws_default_network_acl" "default" {
  default_network_acl_id = aws_vpc.main.default_network_acl_id
  subnet_ids             = [aws_subnet.public.id, aws_subnet.private.id]
  ingress {
    rule_no    = 50
    protocol   = "-1"
    action     = "allow"
    cidr_block = "10.0.0.0/8"
    from_port  = 0
    to_port    = 0
  }
}
resource "aws_default_route_table" "default" {
  default_route_table_id = aws_vpc.second.default_route_table_id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.second.id
  }
}
resource "aws_vpc" "second" {
  cidr_block         = "10.41.0.0/16"
  enable_dns_support = false
}
resource "aws_internet_gateway" "second" {
  vpc_id = aws_vpc.second.id
}
resource "aws_default_security_group" "default" {
  vpc_id = aws_vpc.main.id
}
resource "aws_vpc_dhcp_options" "own" {
  domain_name          = "example.org"
  domain_name_servers  = ["10.40.1.9", "AmazonProvidedDNS"]
  ntp_servers          = ["10.40.1.8"]
  netbios_node_type    = 2
  netbios_name_servers = ["10.40.1.7"]
}
resource "aws_vpc_dhcp_options_association" "own" {
  vpc_id          = aws_vpc.main.id
  dhcp_options_id = aws_vpc_dhcp_options.own.id
}
resource "aws_vpc_peering_connection" "both" {
  vpc_id      = aws_vpc.main.id
  peer_vpc_id = aws_vpc.second.id
  auto_accept = true
  tags        = { Name = "terraform-peering" }
}
resource "aws_route" "peer" {
  route_table_id            = aws_route_table.other.id
  destination_cidr_block    = aws_vpc.second.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.both.id
}
data "aws_vpc_endpoint_service" "ec2" {
  service = "ec2"
}
resource "aws_subnet" "private" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.40.2.0/24"
  availability_zone = "us-east-1a"
}
resource "aws_vpc_endpoint" "ec2" {
  vpc_id              = aws_vpc.main.id
  service_name        = data.aws_vpc_endpoint_service.ec2.service_name
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [aws_subnet.private.id]
  private_dns_enabled = true
  tags                = { Name = "terraform-endpoint" }
}
resource "aws_security_group" "office" {
  name        = "office"
  description = "what the office may ask"
  vpc_id      = aws_vpc.main.id
  ingress {
    from_port       = 443
    to_port         = 443
    protocol        = "tcp"
    prefix_list_ids = [aws_ec2_managed_prefix_list.office.id]
  }
}
resource "aws_vpc_endpoint_security_group_association" "office" {
  vpc_endpoint_id   = aws_vpc_endpoint.ec2.id
  security_group_id = aws_security_group.office.id
}
