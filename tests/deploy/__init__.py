"""What `deploy/` holds, checked and run: a balancer before real servers, the image, the composition, the chart."""
