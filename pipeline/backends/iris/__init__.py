"""The store on InterSystems IRIS."""
