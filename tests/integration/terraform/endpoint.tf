# The cloud's own API as a gateway endpoint, and who may go there.
resource "aws_vpc_endpoint" "sts" {
  vpc_id          = aws_vpc.main.id
  service_name    = "com.amazonaws.us-east-1.sts"
  route_table_ids = [aws_route_table.public.id]
  tags            = { Name = "terraform-gateway" }
}
resource "aws_vpc_endpoint" "ssm" {
  vpc_id            = aws_vpc.main.id
  service_name      = "com.amazonaws.us-east-1.ssm"
  vpc_endpoint_type = "Gateway"
}
resource "aws_vpc_endpoint_route_table_association" "ssm" {
  vpc_endpoint_id = aws_vpc_endpoint.ssm.id
  route_table_id  = aws_route_table.private.id
}
resource "aws_vpc_endpoint_policy" "ssm" {
  vpc_endpoint_id = aws_vpc_endpoint.ssm.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "ssm:GetParameter"
      Resource  = "*"
    }]
  })
}
data "aws_prefix_list" "sts" {
  prefix_list_id = aws_vpc_endpoint.sts.prefix_list_id
}
data "aws_ec2_managed_prefix_list" "ssm" {
  name = "com.amazonaws.us-east-1.ssm"
}
resource "aws_security_group" "services" {
  name   = "services"
  vpc_id = aws_vpc.main.id
  egress {
    from_port       = 80
    to_port         = 80
    protocol        = "tcp"
    prefix_list_ids = [data.aws_prefix_list.sts.id, data.aws_ec2_managed_prefix_list.ssm.id]
  }
}
resource "aws_ec2_managed_prefix_list" "entries" {
  name           = "entries"
  address_family = "IPv4"
  max_entries    = 2
}
resource "aws_ec2_managed_prefix_list_entry" "one" {
  prefix_list_id = aws_ec2_managed_prefix_list.entries.id
  cidr           = "192.0.2.0/24"
}
resource "aws_internet_gateway" "loose" {}
resource "aws_vpc" "third" {
  cidr_block           = "10.42.0.0/16"
  enable_dns_hostnames = true # as names over a peering want it, of both
}
resource "aws_internet_gateway_attachment" "loose" {
  internet_gateway_id = aws_internet_gateway.loose.id
  vpc_id              = aws_vpc.third.id
}
resource "aws_vpc_peering_connection" "asked" {
  vpc_id      = aws_vpc.third.id
  peer_vpc_id = aws_vpc.main.id
}
resource "aws_vpc_peering_connection_accepter" "asked" {
  vpc_peering_connection_id = aws_vpc_peering_connection.asked.id
  auto_accept               = true
}
resource "aws_vpc_peering_connection_options" "asked" {
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.asked.id
  requester {
    allow_remote_vpc_dns_resolution = true
  }
}
