# Interfaces, elastic addresses, NAT gateways, rules of groups, flow logs, paths.
resource "aws_security_group" "own" {
  name        = "terraform-own"
  description = "rules that are resources of their own"
  vpc_id      = aws_vpc.main.id
  tags        = { Name = "terraform-own" }
}
resource "aws_security_group" "other" {
  name   = "terraform-other"
  vpc_id = aws_vpc.main.id
}
resource "aws_security_group" "second" {
  name   = "terraform-second"
  vpc_id = aws_vpc.second.id
}
resource "aws_vpc_security_group_ingress_rule" "block" {
  security_group_id = aws_security_group.own.id
  description       = "office"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "198.51.100.0/24"
  tags              = { Name = "rule" }
}
resource "aws_vpc_security_group_ingress_rule" "group" {
  security_group_id            = aws_security_group.own.id
  ip_protocol                  = "udp"
  from_port                    = 53
  to_port                      = 53
  referenced_security_group_id = aws_security_group.other.id
}
resource "aws_vpc_security_group_ingress_rule" "list" {
  security_group_id = aws_security_group.own.id
  ip_protocol       = "icmp"
  from_port         = 8
  to_port           = -1
  prefix_list_id    = aws_ec2_managed_prefix_list.office.id
}
resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.own.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
resource "aws_security_group_rule" "older" {
  type              = "ingress"
  security_group_id = aws_security_group.other.id
  protocol          = "tcp"
  from_port         = 8000
  to_port           = 8010
  cidr_blocks       = ["10.0.0.0/8", "192.168.0.0/16"]
  description       = "older"
}
resource "aws_security_group_rule" "itself" {
  type              = "ingress"
  security_group_id = aws_security_group.other.id
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  self              = true
}
resource "aws_security_group_rule" "peer" {
  type                     = "ingress"
  security_group_id        = aws_security_group.other.id
  protocol                 = "tcp"
  from_port                = 22
  to_port                  = 22
  source_security_group_id = aws_security_group.second.id
  depends_on               = [aws_vpc_peering_connection.both]
}
resource "aws_network_interface" "own" {
  subnet_id         = aws_subnet.public.id
  description       = "of its own"
  private_ips       = ["10.40.1.50", "10.40.1.51"]
  security_groups   = [aws_security_group.own.id, aws_security_group.other.id]
  source_dest_check = false
  tags              = { Name = "terraform-eni" }
}
resource "aws_eip" "own" {
  domain = "vpc"
  tags   = { Name = "terraform-eip" }
}
resource "aws_eip_association" "own" {
  allocation_id        = aws_eip.own.id
  network_interface_id = aws_network_interface.own.id
  private_ip_address   = "10.40.1.51"
  depends_on           = [aws_internet_gateway.igw]
}
resource "aws_eip" "bound" {
  network_interface         = aws_network_interface.own.id
  associate_with_private_ip = "10.40.1.50"
  depends_on                = [aws_internet_gateway.igw]
}
resource "aws_eip" "nat" {
  depends_on = [aws_internet_gateway.igw]
}
resource "aws_eip" "nat_more" {
  depends_on = [aws_internet_gateway.igw]
}
resource "aws_nat_gateway" "public" {
  allocation_id            = aws_eip.nat.id
  secondary_allocation_ids = [aws_eip.nat_more.id]
  subnet_id                = aws_subnet.public.id
  tags                     = { Name = "terraform-nat" }
}
resource "aws_nat_gateway" "private" {
  connectivity_type                  = "private"
  subnet_id                          = aws_subnet.public.id
  private_ip                         = "10.40.1.60"
  secondary_private_ip_address_count = 2
}
resource "aws_route_table" "private" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.public.id
  }
  route {
    cidr_block           = "10.99.0.0/16"
    network_interface_id = aws_network_interface.own.id
  }
}
resource "aws_route_table" "edge" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block           = aws_subnet.public.cidr_block
    network_interface_id = aws_network_interface.own.id
  }
}
resource "aws_route_table_association" "edge" {
  gateway_id     = aws_internet_gateway.igw.id
  route_table_id = aws_route_table.edge.id
}
resource "aws_flow_log" "vpc" {
  vpc_id                   = aws_vpc.main.id
  traffic_type             = "ALL"
  log_group_name           = "terraform"
  iam_role_arn             = "arn:aws:iam::123456789012:role/flow-logs"
  max_aggregation_interval = 60
}
resource "aws_ec2_network_insights_path" "ssh" {
  source           = aws_internet_gateway.igw.id
  destination      = aws_network_interface.own.id
  protocol         = "tcp"
  destination_port = 443
}
resource "aws_ec2_network_insights_analysis" "ssh" {
  network_insights_path_id = aws_ec2_network_insights_path.ssh.id
}

resource "aws_network_interface" "second" {
  subnet_id = aws_instance.one.subnet_id
  tags      = { Name = "terraform-second" }
}
resource "aws_network_interface_attachment" "second" {
  instance_id          = aws_instance.one.id
  network_interface_id = aws_network_interface.second.id
  device_index         = 1
}
resource "aws_network_interface_sg_attachment" "second" {
  security_group_id    = aws_security_group.ssh.id
  network_interface_id = aws_network_interface.second.id
}
