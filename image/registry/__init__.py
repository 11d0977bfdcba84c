"""The registry client: reading, writing, being let in; and the credentials of docker and podman."""
