namespace Shop.Contracts;

/// <summary>A message of an application on MassTransit: its name there is made of its namespace and its type.</summary>
public sealed record OrderPlaced(int Number, string Item);
