"""What others recommend for a model in a container, over our package and our base image."""
